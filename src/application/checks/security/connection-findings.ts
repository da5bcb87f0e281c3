import type { Verification } from '../../audit/verify.ts';
import type { Finding } from '../finding.ts';
import { audited } from './audited.ts';
import type { DatabaseSecurity } from './facts.ts';

/** How one comes to the database. */
export const connectionFindings = (
  { connection, passwordEncryption }: DatabaseSecurity,
  isDev: boolean,
): Finding[] => [
  audited(
    'database-tls',
    'SEC-1',
    connection === 'plain' && !isDev ? 'critical' : 'ok',
    { tls: 'the connection is encrypted', local: 'the connection is local', plain: 'not encrypted' }[
      connection
    ],
    {
      explanation: 'Passwords, hashes of keys and payloads can be read on the way.',
      mend: 'Add sslmode=verify-full to the URLs of the database, and set ssl = on at the server.',
    },
  ),
  audited(
    'password-encryption',
    'SEC-1',
    passwordEncryption === 'scram-sha-256' ? 'ok' : 'critical',
    passwordEncryption,
    {
      explanation: 'The next password is stored in a form that can be used as it is, or guessed fast.',
      mend: `alter system set password_encryption = 'scram-sha-256'; select pg_reload_conf(); then dragonfly roles`,
    },
  ),
];

/** Whether anybody changed the log of what administrators did. How long entries wait for a seal is for the doctor. */
export function auditLogFindings({ faults, entries, seals }: Verification): Finding[] {
  const kinds = new Set(faults.map(({ kind }) => kind).filter((kind) => kind !== 'entry_unsealed'));
  return [
    audited(
      'audit-log',
      'SEC-4',
      kinds.size > 0 ? 'critical' : 'ok',
      kinds.size > 0 ? [...kinds].join(', ') : `${entries} entries in ${seals} seals are what was sealed`,
      { explanation: 'The log of administrative acts was changed.', mend: 'dragonfly audit verify' },
    ),
  ];
}
