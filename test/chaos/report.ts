import type { Options, Result } from './run.ts';

const EXAMPLES = 5;

/** Prints what happened. @returns whether nothing was wrong */
export function report(options: Options, result: Result): boolean {
  const { ledger, found, besides, struck, done, logged, recoveriesMs, chaosMs, drainMs } = result;
  const statuses = { completed: 0, failed: 0, cancelled: 0, other: 0 };
  const all = { committed: 0, 'rolled back': 0, unknown: 0, 'follow-up': 0 };
  const there = { ...all };
  let [executions, again, redriven] = [0, 0, 0];
  for (const { fate, finals, executions: runs, redriven: times } of ledger.entries) {
    all[fate] += 1;
    if (finals.length > 0) there[fate] += 1;
    redriven += times;
    executions += runs.length;
    again += Math.max(runs.length - 1, 0);
    for (const { status } of finals) statuses[status in statuses ? (status as 'failed') : 'other'] += 1;
  }
  const ended = statuses.completed + statuses.failed + statuses.cancelled;

  section(`Chaos of ${result.server}, seed ${options.seed}`, [
    ['jobs committed', all.committed],
    ['  of them, of the unknown and of follow-ups: completed', statuses.completed],
    ['  failed (dead letters)', statuses.failed],
    ['  cancelled', statuses.cancelled],
    ['  neither', statuses.other],
    ['jobs rolled back, or not queued because of their key', all['rolled back']],
    ['jobs whose commit was not answered', all.unknown],
    ['  of them in the queue', there.unknown],
    ['follow-ups planned', all['follow-up']],
    ['  queued, because their parent was completed', there['follow-up']],
    ['dead letters queued again', redriven],
    ['executions', executions],
    ['  beyond the first of a job', again],
    ['time with faults', seconds(chaosMs)],
    ['time to drain', seconds(drainMs)],
    ['jobs a second', Math.round((ended * 1000) / (chaosMs + drainMs))],
    ['until outcomes count again after a restart: median', seconds(median(recoveriesMs))],
    ['  longest', seconds(Math.max(...recoveriesMs, 0))],
  ]);
  section('Faults', [...struck]);
  section('Clients', byName(done));
  section('Logged by workers', byName(logged));
  section(
    'Must be none',
    [...found].map(([violation, jobs]) => [
      violation,
      jobs.length === 0
        ? 0
        : `${jobs.length}, jobs ${jobs.slice(0, EXAMPLES).join(', ')}${jobs.length > EXAMPLES ? ', …' : ''}`,
    ]),
  );
  for (const fault of besides.slice(0, EXAMPLES)) console.log(`  ${fault}`);

  const holds = besides.length === 0 && [...found.values()].every((jobs) => jobs.length === 0);
  console.log(holds ? '\nNothing lost, nothing twice, no phantom.' : `\nViolated. ${howToRepeat(options)}`);
  return holds;
}

/** The same faults in the same order at the same times; what they meet is up to the machine. */
export const howToRepeat = ({ jobs, seed, workers, producers, rate }: Options): string =>
  `Repeat with: npm run chaos -- --jobs ${jobs} --seed ${seed} --workers ${workers} --producers ${producers} --rate ${rate}`;

function section(title: string, rows: readonly (readonly [name: string, value: string | number])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  console.log(`\n${title}`);
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const byName = (counts: ReadonlyMap<string, number>): [string, number][] =>
  [...counts].toSorted(([a], [b]) => a.localeCompare(b));

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
