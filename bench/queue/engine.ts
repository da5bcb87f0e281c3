import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import type { Client } from 'pg';

/** A queue that is measured. Its functions run in processes of their own: see process.ts. */
export interface Engine {
  /** Tables and functions in an empty database. */
  install(databaseUrl: string): Promise<void>;
  /** Jobs that are there but not measured, made inside the server. */
  backlog(databaseUrl: string, backlog: Backlog): Promise<void>;
  /** What an operator does at the end of each day: finished jobs go. */
  retain(databaseUrl: string): Promise<void>;
  /** Jobs that wait, run or are not yet reported, as the database knows them. */
  unfinished(client: Client): Promise<number>;
  connect(databaseUrl: string, connections: number): Promise<Queue>;
}

export interface Backlog {
  readonly kind: 'ready' | 'scheduled' | 'other types' | 'paused';
  readonly count: number;
}

export interface Queue {
  /** One job in a transaction of its own. */
  enqueue(n: number): Promise<void>;
  /** `count` jobs in one call, numbered from `from`. */
  enqueueMany(from: number, count: number, type: string): Promise<void>;
  work(types: readonly string[], handle: Handler): Promise<Working>;
  close(): Promise<void>;
}

export type Handler = (payload: Payload) => Promise<void> | void;

export interface Working {
  /** Fulfils when what was handled is reported. */
  stop(): Promise<void>;
  /** `empty`: found nothing, and a later one did. Null where the engine does not tell. */
  readonly claims: { total: number; empty: number } | null;
}

export interface Payload {
  readonly n: number;
}

export const TYPE = 't';

/** By the machine's monotonic clock, the same in all processes. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** About 100 bytes of JSON. */
export const payloadOf = (n: number) => ({
  n,
  order: 'ord_0123456789abcdef',
  email: 'someone@example.com',
  template: 'receipt',
  amount: 9950,
});

export const payloadsOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => payloadOf(from + index));

const FILES = {
  dragonfly: 'dragonfly.ts',
  pgbouncer: 'through-pgbouncer.ts',
  graphile: 'peers/graphile.js',
  'pg-boss': 'peers/pg-boss.js',
} as const;

export type EngineName = keyof typeof FILES;
export const PEERS: ReadonlySet<EngineName> = new Set(['graphile', 'pg-boss']);

/** The peers are JavaScript: their packages are only there while benchmarks run. */
export async function loadEngine(name: EngineName): Promise<Engine> {
  const file = pathToFileURL(resolve(import.meta.dirname, FILES[name]));
  const { engine } = (await import(file.href)) as { engine: Engine };
  return engine;
}
