import type { Bar } from '../report.ts';

export type ServerName =
  | 'service'
  | 'service with Redis'
  | 'bare Fastify'
  | 'bare Fastify again'
  | 'usual plugins'
  | 'usual plugins untraced';

export interface Comparison {
  readonly name: string;
  readonly measure: 'per CPU second' | 'p99';
  readonly ours: ServerName;
  readonly peer: ServerName;
  readonly request: 'GET job types' | 'GET job' | 'POST job' | 'POST job, keyed';
  /** Whether the processor time of PostgreSQL counts too. */
  readonly database?: true;
  readonly bar?: Bar;
}

const atLeast = (must: number, goal: number): Bar => ({ bound: 'ratio at least', must, goal });
const atMost = (must: number, goal: number): Bar => ({ bound: 'ratio at most', must, goal });

const ofService = { measure: 'per CPU second', ours: 'service', peer: 'bare Fastify' } as const;
const reference = { measure: 'per CPU second', peer: 'bare Fastify', request: 'GET job types' } as const;

/** What is compared. A row without a bar is there to read the others by. */
export const COMPARISONS: readonly Comparison[] = [
  { ...reference, name: 'noise: bare against itself', ours: 'bare Fastify again' },
  {
    ...ofService,
    name: 'authenticated GET, all laws on',
    request: 'GET job types',
    bar: atLeast(0.45, 0.55),
  },
  {
    ...ofService,
    measure: 'p99',
    name: 'p99 at half load',
    request: 'GET job types',
    bar: atMost(2.5, 2),
  },
  { ...ofService, name: 'authenticated GET of a job', request: 'GET job' },
  { ...ofService, name: 'authenticated GET of a job, with PostgreSQL', request: 'GET job', database: true },
  { ...ofService, name: 'POST that queues a job', request: 'POST job', bar: atLeast(0.65, 0.75) },
  { ...ofService, name: 'POST that queues a job, with PostgreSQL', request: 'POST job', database: true },
  { ...ofService, name: 'POST with an Idempotency-Key', request: 'POST job, keyed' },
  {
    name: 'Redis limiter on',
    measure: 'per CPU second',
    ours: 'service with Redis',
    peer: 'service',
    request: 'GET job types',
    bar: atLeast(0.85, 0.95),
  },
  { ...reference, name: 'the usual plugins at their defaults', ours: 'usual plugins' },
  { ...reference, name: 'the usual plugins without tracing', ours: 'usual plugins untraced' },
];
