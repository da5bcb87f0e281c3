import type { Client } from 'pg';
import { pause } from '#src/adapters/inbound/worker/pause.ts';
import type { Ledger } from './ledger.ts';
import { DEFAULT_MAX_ATTEMPTS, MANY_ATTEMPTS, type NewJob, cancelJob, queueJob, queueJobs } from './queue.ts';
import type { Random } from './random.ts';
import { connect, drop, isFault } from './server.ts';

export interface Production {
  /** Acts for the organisation of this place. */
  readonly url: string;
  readonly organization: number;
  readonly ledger: Ledger;
  /** To be committed by all producers together. */
  readonly jobs: number;
  /** Most jobs that wait at a time; nobody queues more until some of them ran. */
  readonly maxBacklog: number;
  /** Jobs that one producer queues in a second, at most. */
  readonly perSecond: number;
  /** Counts of what was done, for the report. */
  readonly count: (what: string) => void;
  /** Told of jobs that a client is to cancel. */
  readonly cancel: (job: { n: number; id: string }) => void;
}

const MAX_BATCH = 600;

/** One client that queues until enough is committed, with a new session whenever its old one broke. */
export async function produce(production: Production, random: Random): Promise<void> {
  const { url, ledger, jobs, maxBacklog, perSecond, count } = production;
  let client: Client | undefined;
  while (ledger.queued() < jobs) {
    if (ledger.backlog() > maxBacklog) {
      await wait(50);
      continue;
    }
    const begunAt = performance.now();
    try {
      client ??= await connect(url);
      const queue = random.chance(0.1) ? queueSingly : queueTogether;
      const made = await queue(client, production, random);
      await wait((made * 1000) / perSecond - (performance.now() - begunAt));
    } catch (error) {
      // What became of its jobs is in the ledger.
      if (!isFault(error)) throw error;
      count('sessions of clients lost');
      if (client) drop(client);
      client = undefined;
      await wait(100);
    }
  }
  if (client) drop(client);
}

/**
 * A few statements, each a transaction of its own. When its answer is lost, nobody knows what became of it.
 *
 * @returns how many jobs
 */
async function queueSingly(client: Client, production: Production, random: Random): Promise<number> {
  const { ledger } = production;
  const count = random.between(1, 10);
  for (let left = count; left > 0; left -= 1) {
    const { n, job } = newJob(production, random, ledger.newTransaction(), DEFAULT_MAX_ATTEMPTS);
    const { id } = await queueJob(client, job);
    ledger.decide([n], 'committed');
    production.count('jobs queued singly');
    chooseToCancel([{ n, id }], production, random);
  }
  return count;
}

/** A transaction with one to three batches, which may be rolled back as a whole or in part, or take its time. */
async function queueTogether(client: Client, production: Production, random: Random): Promise<number> {
  const { ledger, count } = production;
  const transaction = ledger.newTransaction();
  let total = 0;
  const batch = async (): Promise<{ n: number; id: string }[]> => {
    const made = Array.from({ length: random.between(1, MAX_BATCH) }, () =>
      newJob(production, random, transaction),
    );
    total += made.length;
    // Until it is said that they are committed, they are not.
    ledger.decide(
      made.map(({ n }) => n),
      'rolled back',
    );
    const queued = await queueJobs(
      client,
      made.map(({ job }) => job),
    );
    return made.flatMap(({ n }, index) =>
      queued[index]?.created === true ? [{ n, id: queued[index].id }] : [],
    );
  };

  await client.query('begin');
  const kept = await batch();
  if (random.chance(0.1)) {
    count('rollbacks to a savepoint');
    await client.query('savepoint before');
    await batch();
    await client.query('rollback to savepoint before');
    if (random.chance(0.5)) kept.push(...(await batch()));
  }
  if (random.chance(0.05)) {
    count('commits seconds later');
    await wait(random.between(1000, 4000));
  }
  if (random.chance(0.07)) {
    count('rollbacks');
    await client.query('rollback');
    return total;
  }
  const numbers = kept.map(({ n }) => n);
  ledger.decide(numbers, 'unknown');
  await client.query('commit').catch((error: unknown) => {
    count('commits whose answer was lost');
    throw error;
  });
  count('batches committed');
  ledger.decide(numbers, 'committed');
  chooseToCancel(kept, production, random);
  return total;
}

/** @param maxAttempts of every job of this kind; otherwise some have few */
function newJob(
  { ledger, organization }: Production,
  random: Random,
  transaction: number,
  maxAttempts?: number,
): { n: number; job: NewJob } {
  const delayed = random.chance(0.05);
  const failing = random.chance(0.02);
  const hopeless = random.chance(0.004);
  const plan = {
    organization,
    runAtMs: Date.now() + (delayed ? random.between(100, 8000) : 0),
    maxAttempts: maxAttempts ?? (hopeless ? random.between(1, 3) : MANY_ATTEMPTS),
    failures: hopeless ? MANY_ATTEMPTS : failing ? random.between(1, 2) : 0,
    dies: random.chance(0.002),
  };
  const n = ledger.plan(plan, transaction);
  const followUp = random.chance(0.005)
    ? ledger.plan(
        { organization, runAtMs: 0, maxAttempts: MANY_ATTEMPTS, failures: 0, dies: false },
        ledger.newTransaction(),
        n,
      )
    : undefined;
  return {
    n,
    job: {
      payload: {
        n,
        ms: random.chance(0.001) ? random.between(20, 1500) : 0,
        failures: plan.failures,
        dies: plan.dies,
        ...(followUp !== undefined && { followUp }),
      },
      priority: random.chance(0.2) ? random.between(-100, 100) : 0,
      run_at: new Date(plan.runAtMs).toISOString(),
      max_attempts: plan.maxAttempts,
      ...(random.chance(0.03) && { unique_key: `key-${random.between(1, 2000)}` }),
    },
  };
}

function chooseToCancel(
  jobs: readonly { n: number; id: string }[],
  { cancel }: Production,
  random: Random,
): void {
  for (const job of jobs) if (random.chance(0.01)) cancel(job);
}

/** A client that cancels what it is given, soon after. */
export function startCancelling(url: string, ledger: Ledger, count: (what: string) => void) {
  const chosen: { n: number; id: string }[] = [];
  const stopping = new AbortController();
  const cancelling = run();

  async function run(): Promise<void> {
    let client: Client | undefined;
    while (!stopping.signal.aborted) {
      const job = chosen.shift();
      if (!job) {
        await pause(20, stopping.signal);
        continue;
      }
      ledger.cancel(job.n, 'asked');
      try {
        client ??= await connect(url);
        if (await cancelJob(client, job.id)) {
          ledger.cancel(job.n, 'told');
          count('jobs cancelled');
        }
      } catch (error) {
        // Whether it is cancelled, the queue knows.
        if (!isFault(error)) throw error;
        if (client) drop(client);
        client = undefined;
        await pause(100, stopping.signal);
      }
    }
    if (client) drop(client);
  }

  return {
    cancel: (job: { n: number; id: string }): void => void chosen.push(job),
    async stop(): Promise<void> {
      stopping.abort();
      await cancelling;
    },
  };
}

const wait = async (ms: number): Promise<void> => {
  if (ms > 0) await pause(ms, new AbortController().signal);
};
