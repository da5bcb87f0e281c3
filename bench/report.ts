import { writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform } from 'node:os';
import { plot } from './plot.ts';

/** What must hold, and what we want. */
export interface Bar {
  readonly bound: 'value at most' | 'ratio at most' | 'ratio at least';
  readonly must: number;
  readonly goal: number;
}

/** One figure: ours beside a peer's, taken in turns. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Medians. */
  readonly value: number;
  readonly samples: readonly number[];
  readonly peer: string;
  readonly peerValue: number;
  readonly peerSamples: readonly number[];
  /** value ÷ peerValue */
  readonly ratio: number;
  /** All null where there is no bar: a reference. */
  readonly bound: Bar['bound'] | null;
  readonly must: number | null;
  readonly goal: number | null;
}

type Series = readonly [name: string, samples: readonly number[]];

const NO_BAR = { bound: null, must: null, goal: null } as const;

export function rowOf(
  name: string,
  unit: string,
  ours: readonly number[],
  [peer, peers]: Series,
  bar: Bar | typeof NO_BAR = NO_BAR,
): Row {
  const [value, peerValue] = [median(ours), median(peers)];
  const ratio = Number((value / peerValue).toFixed(2));
  return { name, unit, value, samples: ours, peer, peerValue, peerSamples: peers, ratio, ...bar };
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

function holds({ bound, must, value, ratio }: Row): boolean {
  if (bound === null || must === null) return true;
  if (bound === 'ratio at least') return ratio >= must;
  return (bound === 'value at most' ? value : ratio) <= must;
}

/** Prints a table and its conditions, writes `--json` if asked to, with a plot beside it, and says whether every bound holds. */
export function report(
  rows: readonly Row[],
  json: string | undefined,
  further: Readonly<Record<string, unknown>> = {},
): boolean {
  console.table(
    rows.map((row) => ({
      figure: `${row.name}, ${row.unit}`,
      value: row.value,
      peer: row.peer,
      'its value': row.peerValue,
      ratio: row.ratio,
      ...(row.bound !== null && { must: `${row.bound} ${row.must}`, goal: row.goal, holds: holds(row) }),
    })),
  );
  for (const [name, text] of Object.entries(further))
    if (typeof text === 'string') console.log(`${name}: ${text}`);
  const conditions = {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    loadAverage: loadavg()[0],
    date: new Date().toISOString(),
    commandLine: process.argv.join(' '),
    ...further,
  };
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ conditions, rows }, null, 2)}\n`);
    writeFileSync(`${json.replace(/\.json$/, '')}.svg`, plot(rows));
  }
  return rows.every(holds);
}
