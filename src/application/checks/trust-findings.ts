import type { DatabaseFacts } from './facts.ts';
import { type Finding, gradeOf } from './finding.ts';
import { found } from './found.ts';

const DAY_MS = 86_400_000;

/** What is near its end, or wrong for a while already. */
export function trustFindings(facts: DatabaseFacts, nowMs: number): Finding[] {
  const { strongRoles, openTables, auditUnsealedSeconds: unsealed, faultySignatures } = facts;
  return [
    clockFinding('clock-postgres', facts.clockSkewSeconds),
    certificateFinding('certificate-postgres', facts.certificateExpiresAt, nowMs),
    found(
      'runtime-roles',
      strongRoles.length > 0 ? 'critical' : 'ok',
      strongRoles.join(', ') || 'have the least they need',
      {
        explanation:
          'SEC-12: a role of the service is a superuser, bypasses row-level security, or may create roles or databases, or replicate.',
        mend: strongRoles
          .map((role) => `alter role ${role} nosuperuser nobypassrls nocreaterole nocreatedb noreplication;`)
          .join(' '),
      },
    ),
    found(
      'row-security',
      openTables.length > 0 ? 'critical' : 'ok',
      openTables.join(', ') || 'is forced on every public table',
      {
        explanation: 'SEC-11: rows of other organisations can be seen.',
        mend: openTables
          .map((table) => `alter table ${table} enable row level security, force row level security;`)
          .join(' '),
      },
    ),
    found(
      'audit-seal',
      gradeOf(unsealed, { warning: 60, critical: 3600 }),
      `the oldest entry without a seal is ${Math.round(unsealed)} s old`,
      {
        explanation:
          'No api or worker process runs, or none can seal; look for `audit log not sealed` in its log.',
      },
    ),
    found(
      'canonical-signatures',
      faultySignatures.length > 0 ? 'critical' : 'ok',
      faultySignatures.join(', ') || 'are all there',
      {
        explanation:
          'Q-1, DATA-6: others call these. Missing, changed, or an overload makes the call ambiguous.',
        mend: 'dragonfly schema-check',
      },
    ),
  ];
}

export function clockFinding(check: string, skewSeconds: number): Finding {
  const skew = Math.abs(skewSeconds);
  return found(
    check,
    gradeOf(skew, { warning: 1, critical: 10 }),
    `${skewSeconds.toFixed(2)} s to this machine`,
    {
      explanation: 'Expiry, retries and logs are told by several clocks. Is NTP running on both?',
    },
  );
}

/** @param expiresAt null where the connection has no TLS */
export function certificateFinding(check: string, expiresAt: number | null, nowMs: number): Finding {
  if (expiresAt === null) return found(check, 'ok', 'the connection has no certificate');
  const days = Math.floor((expiresAt - nowMs) / DAY_MS);
  const severity = days < 7 ? 'critical' : days < 30 ? 'warning' : 'ok';
  return found(check, severity, `ends in ${days} d`, { explanation: 'Then nothing connects any more.' });
}
