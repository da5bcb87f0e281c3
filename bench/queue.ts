import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bar, type Row, report, rowOf } from './report.ts';
import { type EngineName, PEERS } from './queue/engine.ts';
import { DEEP, FULL, type Measure, QUICK } from './queue/measures/measure.ts';
import { FIGURES, type Figure } from './queue/rows.ts';
import { withServer } from './queue/server.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    /** The row of that name, or those whose names contain this text. */
    only: { type: 'string', default: '' },
    /** `pgbouncer`: through it in transaction mode beside directly, listening directly, without bars. */
    through: { type: 'string' },
    engines: { type: 'string', default: 'dragonfly,graphile,pg-boss' },
    /** Ten million where it is one otherwise. */
    deep: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
if (values.through !== undefined && values.through !== 'pgbouncer')
  throw new Error('Only --through pgbouncer is known.');
const pooled = values.through === 'pgbouncer';
const chosen = (pooled ? ['pgbouncer', 'dragonfly'] : values.engines.split(',')) as EngineName[];
const ours = chosen.filter((engine) => !PEERS.has(engine));
const full = values.deep ? DEEP : FULL;
const volume = values.quick ? QUICK : full;
const exact = FIGURES.filter(({ name }) => name === values.only);
const figures = exact.length > 0 ? exact : FIGURES.filter(({ name }) => name.includes(values.only));
if (figures.length === 0) throw new Error(`No row is named like ${values.only}.`);

if (!existsSync(resolve(import.meta.dirname, 'node_modules'))) {
  const { status } = spawnSync('npm', ['ci', '--prefix', 'bench'], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

const samples = new Map<string, number[]>();
const measures: Measure[] = [];
const samplesOf = (measure: Measure, engine: EngineName): number[] => {
  if (!measures.includes(measure)) measures.push(measure);
  const key = `${measures.indexOf(measure)} ${engine}`;
  const own = samples.get(key) ?? [];
  samples.set(key, own);
  return own;
};

/** What a round measures, each once: many rows have the same base. */
const wanted = figures.flatMap(({ measure, peers = {}, base }): [Measure, EngineName][] => [
  ...chosen
    .filter((engine) => !PEERS.has(engine) || engine in peers)
    .map((engine): [Measure, EngineName] => [measure, engine]),
  ...(base && !pooled ? ours.map((engine): [Measure, EngineName] => [base[1], engine]) : []),
]);

await withServer(pooled, async (bench) => {
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const [measure, engine] of wanted) {
      const own = samplesOf(measure, engine);
      if (own.length < round) own.push(await measure(bench, engine, volume));
    }
  }
});

const rowsOf = (engine: EngineName, { name, unit, measure, peers = {}, base }: Figure): Row[] => {
  const own = samplesOf(measure, engine);
  const row = (against: string, samples: readonly number[], bar: Bar): Row =>
    rowOf(`${name}: ${engine}`, unit, own, [against, samples], bar);
  const rows = (Object.entries(peers) as [EngineName, Bar][])
    .filter(([peer]) => chosen.includes(peer))
    .map(([peer, bar]) => row(peer, samplesOf(measure, peer), bar));
  return base ? [...rows, row(base[0], samplesOf(base[1], engine), base[2])] : rows;
};

const pooledRowOf = ({ name, unit, measure }: Figure): Row =>
  rowOf(`${name}: through PgBouncer`, unit, samplesOf(measure, 'pgbouncer'), [
    'directly',
    samplesOf(measure, 'dragonfly'),
  ]);

const holds = report(
  pooled
    ? figures.map(pooledRowOf)
    : figures.flatMap((figure) => ours.flatMap((engine) => rowsOf(engine, figure))),
  values.json,
  {
    compared:
      'same server, a fresh database for each sample, in turns; medians, of quantiles too: of the rounds’, each of 600 jobs',
    server: 'embedded PostgreSQL 18 with its own defaults, fsync on; WAL without full page images',
    dragonfly:
      'the real functions and the real worker, woken by the commit or after it as a service of Node does it: 24 slots, metrics, trace ids, deadlines, no collector; logs from WARNING on, as the peers log nothing; queueing and reporting wait for the disk, a claim does not',
    graphile: 'graphile-worker 0.18, 24 slots, local queue of 500, no batch delays',
    'pg-boss':
      'pg-boss 12, batches of 1,000, 4 fetchers, poll of 0.5 s, next fetch at once while batches are full',
    rounds: values.rounds,
    volume,
  },
);
process.exit(holds ? 0 : 1);
