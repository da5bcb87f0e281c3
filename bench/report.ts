import { writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';

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
  /** Bound that must hold, and the one that we want. Less is better. */
  readonly must: number;
  readonly goal: number;
}

type Bounds = Pick<Row, 'must' | 'goal'>;
type Series = readonly [name: string, samples: readonly number[]];

export function rowOf(
  name: string,
  unit: string,
  ours: readonly number[],
  [peer, peers]: Series,
  bounds: Bounds,
): Row {
  const [value, peerValue] = [median(ours), median(peers)];
  const ratio = Number((value / peerValue).toFixed(2));
  return { name, unit, value, samples: ours, peer, peerValue, peerSamples: peers, ratio, ...bounds };
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

/** Prints a table, writes `--json` if asked to, and says whether every bound holds. */
export function report(rows: readonly Row[], json: string | undefined): boolean {
  console.table(
    rows.map(({ name, unit, value, peer, peerValue, ratio, must }) => ({
      figure: `${name}, ${unit}`,
      value,
      [peer]: peerValue,
      ratio,
      must: `≤ ${must}`,
      holds: value <= must,
    })),
  );
  const conditions = {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    date: new Date().toISOString(),
    commandLine: process.argv.join(' '),
  };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ conditions, rows }, null, 2)}\n`);
  return rows.every(({ value, must }) => value <= must);
}
