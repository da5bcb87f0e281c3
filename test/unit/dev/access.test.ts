import { createAccess } from '#dev/access.ts';
import { expect, it } from 'vitest';

const HOUR_MS = 3_600_000;

it('the key of a long session of dev is replaced at a restart before it expires, and not at every restart', async () => {
  let hours = 0;
  let issued = 0;
  const access = createAccess(
    () => Promise.resolve({ key: `key ${(issued += 1)}`, database: '' }),
    () => hours * HOUR_MS,
  );
  const keys: string[] = [];
  for (hours of [0, 1, 11, 12, 23, 24]) keys.push((await access()).key);
  expect(keys).toEqual(['key 1', 'key 1', 'key 1', 'key 2', 'key 2', 'key 3']);
});
