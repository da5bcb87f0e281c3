import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, withBench } from './http/bench.ts';
import { compare } from './http/compare.ts';
import { explain } from './http/explain.ts';
import { pinned } from './http/pin.ts';
import { COMPARISONS } from './http/rows.ts';
import { report } from './report.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    /** Rows whose name contains this text. */
    only: { type: 'string', default: '' },
    /** What each plugin costs, instead of the rows. */
    explain: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const root = resolve(import.meta.dirname, '..');

if (!existsSync(resolve(import.meta.dirname, 'node_modules'))) run('npm', ['ci', '--prefix', 'bench']);
run(process.execPath, ['scripts/build.ts']);

const CONDITIONS = {
  compared:
    'requests answered in a second of the server’s processor time (user and system, all threads), server saturated by 50 connections; slices of 1 s in turns; medians',
  'GET job types':
    'GET /v1/job-types needs no database: the service from dist with every law on (log to a drained pipe, metrics, 10 % of traces exported, secrets from watched files, memory limiter unless said, key and Origin sent), the bare peer the same JSON from memory through a response schema',
  'GET job, POST job':
    'the service’s real query in its context; the bare peer one named statement on a table of what clients see of a job by its primary key, or one INSERT into it; both by pg with 10 connections; embedded PostgreSQL with its own defaults, fsync on',
  'p99 at half load': 'open loop, each server at half of its own saturated rate, from when a request was due',
  pinned: pinned
    ? 'server on core 0; load, database and Redis on core 1'
    : 'no: taskset or a second core is missing',
  rounds,
};

async function compareAll(bench: Bench): Promise<boolean> {
  const chosen = COMPARISONS.filter(({ name }) => name.includes(values.only));
  if (chosen.length === 0) throw new Error(`No row is named like ${values.only}.`);
  const rows = await compare(chosen, bench, rounds);
  return report(rows, values.json, CONDITIONS) && rows.length === chosen.length;
}

const holds = await withBench(async (bench) => {
  if (!values.explain) return await compareAll(bench);
  await explain(bench, rounds, values.only);
  return true;
});
process.exit(holds ? 0 : 1);

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
