import { retryAfterSeconds } from '#src/adapters/outbound/webhook/retry-after.ts';
import { expect, it } from 'vitest';

const NOW = Date.UTC(2026, 10, 21, 7, 0, 0);

it.each([
  ['120', 120],
  ['0', 0],
  ['99999999999999999999', 86_400],
  ['Sat, 21 Nov 2026 07:01:30 GMT', 90],
  ['Saturday, 21-Nov-26 07:01:30 GMT', 90],
  ['Sat, 21 Nov 2026 06:00:00 GMT', 0],
  ['Sat, 21 Nov 2099 07:00:00 GMT', 86_400],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('understands %j as %j seconds', (header, seconds) => {
  expect(retryAfterSeconds(header, NOW)).toBe(seconds);
});
