import { pause } from '#src/adapters/inbound/worker/pause.ts';
import { type Client, DatabaseError } from 'pg';
import type { Span } from './facts.ts';
import type { Fault } from './faults.ts';
import type { Random } from './random.ts';
import { type ChaosServer, connect, drop, withClient } from './server.ts';

/** After a backend was killed, at most. */
const RECOVERED_AFTER_MS = 5000;

/** What happens to PostgreSQL and to its sessions. When it crashes, `crashes` gets it. */
export const serverFaults = (server: ChaosServer, crashes: Span[], onUp: (upMs: number) => void): Fault[] => [
  {
    name: 'PostgreSQL ended at once and started again',
    rest: [20, 40],
    async strike() {
      const fromMs = Date.now();
      const toMs = await server.restart();
      crashes.push({ fromMs, toMs });
      onUp(toMs);
    },
  },
  {
    name: 'a backend killed (SIGKILL): PostgreSQL recovers',
    rest: [30, 60],
    async strike(random) {
      await withClient(server.urls.admin, async (admin) => {
        const fromMs = Date.now();
        process.kill(random.pick(await backends(admin)), 'SIGKILL');
        crashes.push({ fromMs, toMs: fromMs + RECOVERED_AFTER_MS });
      });
    },
  },
  {
    name: 'backends terminated (pg_terminate_backend)',
    rest: [4, 9],
    async strike(random) {
      await withClient(server.urls.admin, async (admin) => await terminateSome(admin, random));
    },
  },
  {
    name: 'all connections taken',
    rest: [20, 40],
    strike: async (random, over) => await exhaust(server, random, over),
  },
];

async function backends(admin: Client): Promise<number[]> {
  const { rows } = await admin.query<{ pid: number }>(
    `select pid from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`,
  );
  return rows.map(({ pid }) => pid);
}

async function terminateSome(admin: Client, random: Random): Promise<void> {
  const candidates = await backends(admin);
  const chosen = Array.from({ length: random.between(1, 6) }, () => random.pick(candidates));
  await admin.query('select pg_terminate_backend(pid) from unnest($1::integer[]) pid', [chosen]);
}

/** Somebody takes every connection that a role may have, and those that become free because others lose theirs. */
async function exhaust({ urls }: ChaosServer, random: Random, over: AbortSignal): Promise<void> {
  const taken: Client[] = [];
  try {
    await takeAll(urls.readonly, taken);
    await withClient(urls.admin, async (admin) => await terminateSome(admin, random));
    for (const end = performance.now() + 1500 + random.next() * 2000; performance.now() < end;) {
      await pause(50, over);
      if (over.aborted) break;
      // Another fault may strike meanwhile; this one has.
      await takeAll(urls.readonly, taken).catch(() => {});
    }
  } finally {
    for (const client of taken) drop(client);
  }
}

const TOO_MANY_CONNECTIONS = '53300';
const AT_ONCE = 10;

/** @throws what a connection was refused for, unless it is that there are too many */
async function takeAll(url: string, taken: Client[]): Promise<void> {
  for (;;) {
    const tries = await Promise.allSettled(Array.from({ length: AT_ONCE }, async () => await connect(url)));
    taken.push(...tries.filter((one) => one.status === 'fulfilled').map(({ value }) => value));
    const refusals = tries.filter((one) => one.status === 'rejected').map(({ reason }): unknown => reason);
    if (refusals.some(isForTooMany)) return;
    if (refusals.length > 0) throw refusals[0];
  }
}

const isForTooMany = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code === TOO_MANY_CONNECTIONS;
