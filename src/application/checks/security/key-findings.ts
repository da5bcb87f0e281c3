import { MAX_LIFETIME_DAYS } from '#src/domain/access/api-key.ts';
import type { Finding } from '../finding.ts';
import { audited, none } from './audited.ts';
import type { LiveKey } from './facts.ts';

const UNUSED_DAYS = 30;

/** SEC-5: keys that live too long, that nobody uses, and that may everything. */
export function keyFindings(keys: readonly LiveKey[]): Finding[] {
  const endless = keys.filter(
    ({ lifetimeDays, ageDays }) =>
      lifetimeDays === null || lifetimeDays > MAX_LIFETIME_DAYS || ageDays > MAX_LIFETIME_DAYS,
  );
  const unused = keys.filter(({ ageDays, unusedDays }) => (unusedDays ?? ageDays) >= UNUSED_DAYS);
  const admins = keys.filter(({ role, narrowed }) => role === 'admin' && !narrowed);
  return [
    none(
      'key-lifetime',
      'SEC-5',
      endless.map(
        ({ lifetimeDays, ...key }) =>
          `${nameOf(key)}: ${lifetimeDays === null ? 'no end' : `${lifetimeDays} d`}`,
      ),
      `${keys.length} live keys, none for more than ${MAX_LIFETIME_DAYS} days`,
      {
        explanation: `A key lives ${MAX_LIFETIME_DAYS} days at most, so that a leaked one ends by itself.`,
        mend: endless.map(revocation).join('; '),
      },
    ),
    none('key-unused', 'SEC-5', unused.map(nameOf), `none was without a use for ${UNUSED_DAYS} days`, {
      severity: 'warning',
      explanation: `Nobody has used it for ${UNUSED_DAYS} days, and nobody would notice who does.`,
      mend: unused.map(revocation).join('; '),
    }),
    audited(
      'key-admins',
      'SEC-3',
      'ok',
      `${admins.length} of ${keys.length} live keys may all that an admin may`,
    ),
  ];
}

const nameOf = ({ organization, name }: Pick<LiveKey, 'organization' | 'name'>): string =>
  `${organization}/${name}`;

const revocation = ({ organization, name }: LiveKey): string =>
  `dragonfly keys revoke --organization '${organization}' --name '${name}'`;
