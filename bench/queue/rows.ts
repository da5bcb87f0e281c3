import type { Bar } from '../report.ts';
import { type EngineName, TYPE } from './engine.ts';
import { drain, emptyClaims } from './measures/drain.ts';
import { bulkEnqueue, singleEnqueue } from './measures/enqueue.ts';
import { claimBuffers, readBuffers } from './measures/buffers.ts';
import { httpBatches } from './measures/http-batches.ts';
import { lifecycle } from './measures/lifecycle.ts';
import type { Measure } from './measures/measure.ts';
import { pickUp } from './measures/pick-up.ts';
import { walPerJob } from './measures/wal.ts';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly measure: Measure;
  /** Compared with peers, or with another measure of the same engine. */
  readonly peers?: Partial<Record<EngineName, Bar>>;
  readonly base?: readonly [name: string, measure: Measure, bar: Bar];
}

const atLeast = (must: number, goal: number): Bar => ({ bound: 'ratio at least', must, goal });
const atMost = (must: number, goal: number): Bar => ({ bound: 'ratio at most', must, goal });

const plain = drain();
const FOUR_TYPES = ['t', 't1', 't2', 't3'];
const alone = drain({ types: FOUR_TYPES });
const buffersAt10k = claimBuffers(() => 10_000);
const perSecond = { unit: 'jobs/s' } as const;
const flat = (must: number, goal: number) => ['empty', plain, atLeast(must, goal)] as const;

/** What is compared; the bars are those of a queue that is faster by a multiple and never rots. */
export const FIGURES: readonly Figure[] = [
  {
    ...perSecond,
    name: 'drain',
    measure: plain,
    peers: { graphile: atLeast(2, 3), 'pg-boss': atLeast(3, 3.5) },
  },
  {
    ...perSecond,
    name: 'lifecycle',
    measure: lifecycle,
    peers: { graphile: atLeast(1.5, 2), 'pg-boss': atLeast(2.5, 3.5) },
  },
  {
    ...perSecond,
    name: 'drain, never analysed',
    measure: drain({ analysed: false }),
    base: ['analysed', plain, atLeast(0.85, 0.95)],
  },
  { ...perSecond, name: 'single enqueue', measure: singleEnqueue(), peers: { graphile: atLeast(3, 4) } },
  {
    ...perSecond,
    name: 'single enqueue, a worker of another type',
    measure: singleEnqueue('t1'),
    peers: { graphile: atLeast(3, 4) },
  },
  {
    ...perSecond,
    name: 'single enqueue, a worker of the type',
    measure: singleEnqueue(TYPE),
    peers: { graphile: atLeast(3, 4) },
  },
  { ...perSecond, name: 'bulk enqueue', measure: bulkEnqueue, peers: { graphile: atLeast(1.5, 2) } },
  {
    ...perSecond,
    name: 'batches of 100 by HTTP',
    measure: httpBatches,
    base: ['bulk by SQL', bulkEnqueue, atLeast(0.3, 0.5)],
  },
  {
    name: 'WAL a job',
    unit: 'bytes',
    measure: walPerJob,
    peers: { graphile: atMost(0.8, 0.6), 'pg-boss': atMost(0.5, 0.35) },
  },
  { name: 'pick-up p50', unit: 'ms', measure: pickUp(0.5), peers: { graphile: atMost(1.25, 1) } },
  { name: 'pick-up p99', unit: 'ms', measure: pickUp(0.99), peers: { graphile: atMost(1.5, 1) } },
  {
    ...perSecond,
    name: 'drain, pinned snapshot',
    measure: drain({ pinned: true }),
    base: ['unpinned', drain({ repeated: true }), atLeast(0.85, 0.95)],
  },
  { ...perSecond, name: 'drain, 1M more behind', measure: drain({ behind: 'ready' }), base: flat(0.85, 0.9) },
  {
    ...perSecond,
    name: 'drain, 1M scheduled',
    measure: drain({ behind: 'scheduled' }),
    base: flat(0.85, 0.9),
  },
  {
    ...perSecond,
    name: 'drain, 1M of other types',
    measure: drain({ behind: 'other types' }),
    base: flat(0.85, 0.9),
  },
  { ...perSecond, name: 'drain, 1M paused', measure: drain({ behind: 'paused' }), base: flat(0.85, 0.9) },
  {
    name: 'buffers of a claim, deep',
    unit: 'buffers',
    measure: claimBuffers(({ deepBacklog }) => deepBacklog),
    base: ['10k', buffersAt10k, atMost(1.5, 1.2)],
  },
  {
    name: 'buffers of job, lists and figures, deep',
    unit: 'buffers',
    measure: readBuffers(({ deepBacklog }) => deepBacklog),
    base: ['10k', readBuffers(() => 10_000), atMost(1.5, 1.2)],
  },
  {
    ...perSecond,
    name: 'drain, 4 processes, 1 type',
    measure: drain({ processes: 4 }),
    base: ['1 process', plain, atLeast(0.75, 1)],
  },
  {
    ...perSecond,
    name: 'drain, 4 processes, 4 types',
    measure: drain({ processes: 4, types: FOUR_TYPES }),
    base: ['1 process', alone, atLeast(0.75, 1)],
  },
  {
    name: 'empty claims, 4 processes',
    unit: '%',
    measure: emptyClaims(4),
    base: ['1 process', emptyClaims(1), { bound: 'value at most', must: 1, goal: 0.1 }],
  },
];
