import type { Finding } from './finding.ts';
import { found } from './found.ts';
import type { LiveKey } from './security/facts.ts';

const WEEK_DAYS = 7;
const MOST_SHOWN = 10;

/** Keys of whatever organisation whose client stops working soon. A second key of the name is a successor. */
export function keyExpiry(keys: readonly LiveKey[]): Finding {
  const last = new Map<string, number>();
  for (const { organization, name, endsInDays } of keys) {
    const key = `${organization}/${name}`;
    last.set(key, Math.max(last.get(key) ?? 0, endsInDays ?? Infinity));
  }
  const ending = [...last].filter(([, days]) => days < WEEK_DAYS).toSorted(([, a], [, b]) => a - b);
  if (ending.length === 0)
    return found('key-expiry', 'ok', `${keys.length} live keys, none without a successor ends within a week`);
  const shown = ending.slice(0, MOST_SHOWN).map(([key, days]) => `${key} ends in ${days} d`);
  const more = ending.length > MOST_SHOWN ? [`and ${ending.length - MOST_SHOWN} more`] : [];
  return found('key-expiry', 'warning', [...shown, ...more].join(', '), {
    explanation: 'Its client is refused from then on.',
    mend: 'dragonfly keys rotate ID --organization NAME, or POST /v1/api-keys/{id}/rotate',
  });
}
