import type { Finding } from '#src/application/checks/finding.ts';

/** Up, down and up again: lines that say what a schema consists of. */
export interface RoundTrip {
  /** After all was taken back. */
  readonly left: readonly string[];
  /** There the first time and not the second. */
  readonly lost: readonly string[];
  readonly gained: readonly string[];
}

/** What was found out about the migrations of a build and those of a database; undefined for what was not looked at. */
export interface MigrationFacts {
  /** Applied, and not known to this build. */
  readonly unknown: readonly string[];
  /** Applied, and changed since. */
  readonly edited: readonly string[];
  readonly pending: readonly string[];
  /** Pending, although a later one is applied. */
  readonly skipped: readonly string[];
  readonly lintFaults?: readonly string[];
  readonly roundTrip?: RoundTrip;
}

const RUNBOOK = 'docs/runbooks/migrations.md';

/** DATA-1, DATA-2, DATA-3: whether the migrations of this build are those of the database, and sound. */
export const migrationFindings = (facts: MigrationFacts): Finding[] => [
  judged('migrations-known', 'every applied migration is one of this build', facts.unknown, {
    summary: 'applied, and unknown to this build',
    mend: 'run a build that has them',
    runbook: `${RUNBOOK}#the-database-has-migrations-that-the-build-does-not-know`,
  }),
  judged('migrations-unchanged', 'every applied migration has the checksum of its file', facts.edited, {
    summary: 'changed after they were applied',
    mend: 'restore the files and write a new migration',
    runbook: `${RUNBOOK}#an-applied-migration-was-changed`,
  }),
  judged('migrations-ordered', 'no migration was left out', facts.skipped, {
    summary: 'older than what is applied, so that they will never be',
    mend: 'give them a later time',
    runbook: `${RUNBOOK}#write-one`,
  }),
  {
    check: 'migrations-pending',
    severity: 'ok',
    summary: facts.pending.length === 0 ? 'none is pending' : `pending: ${facts.pending.join(', ')}`,
  },
  facts.lintFaults
    ? judged('migration-lint', 'the linter has nothing against them', facts.lintFaults, {
        summary: 'the linter refuses',
        mend: 'npm run migrations',
        runbook: `${RUNBOOK}#write-one`,
      })
    : {
        check: 'migration-lint',
        severity: 'ok',
        summary: 'not looked at here: the checkout has the linter, which ran before this image was made',
      },
  ...(facts.roundTrip ? roundTripFindings(facts.roundTrip) : []),
];

const roundTripFindings = ({ left, lost, gained }: RoundTrip): Finding[] => [
  judged(
    'migrations-round-trip',
    'up, down and up again leave the same schema, and down leaves nothing',
    [
      ...left.map((line) => `left by down: ${line}`),
      ...lost.map((line) => `lost: ${line}`),
      ...gained.map((line) => `gained: ${line}`),
    ],
    { summary: 'up, down and up again do not leave the same', runbook: `${RUNBOOK}#write-one` },
  ),
];

function judged(
  check: string,
  sound: string,
  faults: readonly string[],
  { summary, ...help }: Omit<Finding, 'check' | 'severity'>,
): Finding {
  return faults.length === 0
    ? { check, severity: 'ok', summary: sound }
    : { check, severity: 'critical', summary: `${summary}: ${faults.join('; ')}`, ...help };
}
