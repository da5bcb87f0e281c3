import { expect, it } from 'vitest';
import { type Claim, ORGANIZATION, type Outcome, connectQueue, newType } from './queue.ts';

/*
 * Producers that commit or roll back, workers that report, retry, give back, forget and lose jobs, and clients that
 * cancel, all at once and at random. Whatever happens: nothing that was committed is lost, nothing else runs, and each
 * job has one end. SEED repeats the choices of a run; how they interleave is the server's choice.
 */
const DURATION_MS = 3000;
const WORKERS = 5;
const PRODUCERS = 2;
const MAX_ATTEMPTS = 3;

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const queue = await connectQueue();

/** What the callers of the functions know, each from the answers that it got. */
interface Knowledge {
  readonly committed: Set<string>;
  readonly rolledBack: Set<string>;
  /** Claims whose answers have arrived, in that order. */
  readonly claims: Claim[];
  /** Tokens of attempts that were known before the job was asked for, and given, again. */
  readonly superseded: Set<string>;
  /** Tokens whose outcome was accepted. */
  readonly accepted: Set<string>;
  /** Jobs whose completion was accepted, once each. */
  readonly completed: string[];
  readonly cancelled: Set<string>;
  readonly faults: string[];
}

it(`[Q-3] loses no job, runs none that was rolled back, and ends each once (SEED=${seed})`, async () => {
  const known: Knowledge = {
    committed: new Set(),
    rolledBack: new Set(),
    claims: [],
    superseded: new Set(),
    accepted: new Set(),
    completed: [],
    cancelled: new Set(),
    faults: [],
  };
  const type = newType();
  const end = Date.now() + DURATION_MS;
  const actors = [
    ...Array.from({ length: PRODUCERS }, (_, index) => produce(known, type, randomOf(seed + index), end)),
    ...Array.from({ length: WORKERS }, (_, index) => work(known, type, randomOf(seed + 100 + index), end)),
    cancelSome(known, randomOf(seed + 200), end),
  ];
  await Promise.all(actors);
  await drain(known, type);

  expect(known.faults).toEqual([]);
  expect(known.committed.size).toBeGreaterThan(50);
  const rows = await queue.api()<{ id: string; status: string; attempts: number }>`
    select id, status, attempts from ops.jobs where type = ${type}`;
  expect(new Set(rows.map(({ id }) => id))).toEqual(known.committed);
  expect(new Set(known.completed).size).toBe(known.completed.length);
  for (const { id, status, attempts } of rows) {
    const expected = known.completed.includes(id)
      ? 'completed'
      : known.cancelled.has(id)
        ? 'cancelled'
        : 'failed';
    expect({ id, status }).toEqual({ id, status: expected });
    expect(attempts).toBeLessThanOrEqual(MAX_ATTEMPTS);
  }
});

async function produce(known: Knowledge, type: string, random: () => number, end: number): Promise<void> {
  const { sql, run } = await queue.session('api');
  while (Date.now() < end) {
    const commits = random() < 0.7;
    const jobs = Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({
      type,
      max_attempts: MAX_ATTEMPTS,
      priority: Math.floor(random() * 3),
      ...(random() < 0.3 && { unique_key: `k${Math.floor(random() * 5)}` }),
    }));
    await sql`begin`;
    await sql`select set_config('ops.organization_id', ${ORGANIZATION}, true)`;
    const queued = await queue.queueJobs(jobs, {}, sql);
    await sql`select pg_sleep(${random() / 100})`;
    await run(commits ? 'commit' : 'rollback');
    for (const { id, created } of queued) {
      if (created) (commits ? known.committed : known.rolledBack).add(id);
    }
  }
}

async function work(known: Knowledge, type: string, random: () => number, end: number): Promise<void> {
  const held: Claim[] = [];
  while (Date.now() < end) {
    // Some claims expire at once, so that live and lost attempts of one job meet.
    const minutes = random() < 0.4 ? 0 : 30;
    const claims = await claimSome(known, type, 1 + Math.floor(random() * 4), minutes);
    // Of the others nobody ever hears again: the worker died.
    held.push(...claims.filter(() => minutes > 0 || random() < 0.7));
    while (held.length > 5 || (held.length > 0 && random() < 0.7)) {
      const [claim] = held.splice(Math.floor(random() * held.length), 1);
      if (claim) await reportOnce(known, claim, outcomeOf(random()));
    }
  }
  for (const claim of held) await reportOnce(known, claim, { status: 'completed' });
}

const outcomeOf = (choice: number): Outcome => {
  if (choice < 0.5) return { status: 'completed' };
  if (choice < 0.7) return { status: 'pending', error: 'again', backoff_seconds: 0 };
  return choice < 0.9 ? { status: 'released' } : { status: 'failed', error: 'broken' };
};

async function claimSome(known: Knowledge, type: string, limit: number, minutes: number): Promise<Claim[]> {
  const earlier = known.claims.slice();
  const claims = await queue.claim(type, { limit, minutes });
  known.claims.push(...claims);
  for (const { job_id, attempts, max_attempts } of claims) {
    for (const claim of earlier) {
      if (claim.job_id === job_id) known.superseded.add(claim.lease_token);
    }
    if (known.rolledBack.has(job_id)) known.faults.push(`${job_id} runs although it was rolled back`);
    if (attempts > max_attempts) known.faults.push(`${job_id} has attempt ${attempts} of ${max_attempts}`);
  }
  return claims;
}

async function reportOnce(known: Knowledge, claim: Claim, outcome: Outcome): Promise<void> {
  const { job_id, lease_token } = claim;
  const superseded = known.superseded.has(lease_token);
  if (!(await queue.report(claim, outcome))) return;
  if (superseded) known.faults.push(`${job_id} took an outcome of an attempt before the current one`);
  if (known.accepted.has(lease_token)) known.faults.push(`${job_id} took two outcomes of one attempt`);
  known.accepted.add(lease_token);
  if (outcome.status === 'completed') known.completed.push(job_id);
}

async function cancelSome(
  { committed, cancelled }: Knowledge,
  random: () => number,
  end: number,
): Promise<void> {
  while (Date.now() < end) {
    const ids = [...committed];
    const id = ids[Math.floor(random() * ids.length)];
    if (id !== undefined) {
      const rows = await queue.api()<{ status: string }>`select status from ops.cancel_job(${id})`;
      if (rows[0]?.status === 'cancelled') cancelled.add(id);
    }
    await queue.api()`select pg_sleep(0.02)`;
  }
}

/** Ends what is left. Jobs of workers that died come back by themselves. */
async function drain(known: Knowledge, type: string): Promise<void> {
  const claims = await claimSome(known, type, 100, 30);
  if (claims.length === 0) return;
  for (const claim of claims) await reportOnce(known, claim, { status: 'completed' });
  await drain(known, type);
}

/** mulberry32: small, seeded, good enough to choose by. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
