import type { CredentialFacts, MachineFacts, MigrationFacts, RedisFacts } from './facts.ts';
import { type Finding, gradeOf } from './finding.ts';
import { found } from './found.ts';
import { certificateFinding, clockFinding } from './trust-findings.ts';

const MIB = 1024 ** 2;

export function redisFindings(facts: RedisFacts, nowMs: number): Finding[] {
  const { version, latencyMs, maxmemoryPolicy, evictedKeys } = facts;
  const evicts = maxmemoryPolicy.startsWith('allkeys') || evictedKeys > 0;
  return [
    found(
      'redis-latency',
      gradeOf(latencyMs, { warning: 20, critical: 400 }),
      `Redis ${version}, ${latencyMs.toFixed(1)} ms`,
      {
        explanation: 'The rate limiter waits for it, and counts for itself after 500 ms.',
      },
    ),
    found('redis-eviction', evicts ? 'warning' : 'ok', `${maxmemoryPolicy}, ${evictedKeys} keys evicted`, {
      explanation: 'An evicted counter begins anew: clients get more than their limit.',
      mend: 'config set maxmemory-policy volatile-ttl',
    }),
    clockFinding('clock-redis', facts.clockSkewSeconds),
    certificateFinding('certificate-redis', facts.certificateExpiresAt, nowMs),
  ];
}

/** SEC-18: at most 90 days. */
const AGE_DAYS = { warning: 76, critical: 91 };

export function credentialFindings(credentials: readonly CredentialFacts[]): Finding[] {
  const old = credentials.filter(({ ageDays }) => (ageDays ?? 0) >= AGE_DAYS.warning);
  const fixed = credentials.filter(({ fromFile }) => !fromFile);
  return [
    ...old.map(({ name, ageDays }) =>
      found('credential-age', gradeOf(ageDays ?? 0, AGE_DAYS), `${name}: ${ageDays} d old`, {
        explanation: 'Credentials are replaced every 90 days.',
      }),
    ),
    ...(old.length === 0 ? [found('credential-age', 'ok', 'no file of a secret is older than 75 days')] : []),
    found(
      'credential-source',
      fixed.length > 0 ? 'warning' : 'ok',
      fixed.map(({ name }) => name).join(', ') || 'all come from files',
      {
        explanation:
          'What stands in the environment cannot be replaced without a restart, and its age is unknown.',
        mend: fixed.map(({ name }) => `${name}_FILE`).join(', '),
      },
    ),
  ];
}

/** Only the machine that the doctor runs on: the disk of the database is the server's, and not to be seen by SQL. */
export const machineFindings = ({ temporaryFolder, freeTemporaryBytes }: MachineFacts): Finding[] => [
  found(
    'disk',
    freeTemporaryBytes < 32 * MIB ? 'critical' : freeTemporaryBytes < 256 * MIB ? 'warning' : 'ok',
    `${Math.floor(freeTemporaryBytes / MIB)} MiB free in ${temporaryFolder} of this machine`,
    { explanation: 'Commands that write temporary files here fail when it is full, `restore` among them.' },
  ),
];

export const pendingFindings = ({ pending }: MigrationFacts): Finding[] => [
  found('migrations', pending.length > 0 ? 'critical' : 'ok', pending.join(', ') || 'all are applied', {
    explanation: 'This build was written for a newer schema.',
    mend: 'dragonfly migrate up',
  }),
];
