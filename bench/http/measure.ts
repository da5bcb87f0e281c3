import { cpuSeconds } from './cpu.ts';
import type { Load, LoadRequest } from './load.ts';
import { median } from '../report.ts';

const SLICE_SECONDS = 1;
/** A server that answers slowly is compiled late. */
const WARM_UP_SECONDS = 5;

export interface Target {
  readonly url: string;
  /** Whose processor time counts. */
  pids(): Promise<readonly number[]>;
  readonly request: LoadRequest;
}

export interface Turns {
  readonly rounds: number;
  readonly load: Load;
}

type Pair = readonly [ours: number[], peers: number[]];

/** Requests that a second of processor time answers, of two servers in turns, so that both meet the same noise. */
export async function perCpuSecond(ours: Target, peer: Target, { rounds, load }: Turns): Promise<Pair> {
  await warmUp(load, ours, peer);
  return await inTurns(ours, peer, rounds, async (target) => {
    const pids = await target.pids();
    const before = cpuSeconds(pids);
    const { requests } = await load.saturated({ ...sliceOf(target), seconds: SLICE_SECONDS });
    return Math.round(requests / (cpuSeconds(pids) - before));
  });
}

/** 99th percentile in milliseconds, each server at half of what it answers when saturated. */
export async function p99AtHalfLoad(ours: Target, peer: Target, { rounds, load }: Turns): Promise<Pair> {
  await warmUp(load, ours, peer);
  const capacities = await inTurns(ours, peer, 3, async (target) => {
    const { perSecond } = await load.saturated({ ...sliceOf(target), seconds: SLICE_SECONDS });
    return perSecond;
  });
  const [half, peerHalf] = capacities.map((samples) => median(samples) / 2);
  return await inTurns(ours, peer, rounds, async (target) => {
    const perSecond = (target === ours ? half : peerHalf) ?? 0;
    const { p99 } = await load.paced({ ...sliceOf(target), seconds: 2 * SLICE_SECONDS, perSecond });
    return Number(p99.toFixed(2));
  });
}

/** What the load process is told. */
const sliceOf = ({ url, request }: Target) => ({ url, request });

async function warmUp(load: Load, ...targets: readonly Target[]): Promise<void> {
  for (const target of targets) await load.saturated({ ...sliceOf(target), seconds: WARM_UP_SECONDS });
}

async function inTurns(
  ours: Target,
  peer: Target,
  rounds: number,
  measure: (target: Target) => Promise<number>,
): Promise<Pair> {
  const samples: Pair = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    samples[0].push(await measure(ours));
    samples[1].push(await measure(peer));
  }
  return samples;
}
