import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, DEAD_AFTER_SECONDS, type Outcome, newWorker } from '../queue.ts';
import type { Session } from '../roles.ts';
import { type Random, type Run, actUntilEnd, hold } from './actor.ts';

/** How a claimant may lose its jobs: by a lock time-out that is long or over at once, or by its beats. */
const KINDS = ['lasting', 'expiring', 'beating'] as const;

interface Claimant {
  readonly kind: (typeof KINDS)[number];
  readonly id: string;
}

/** Claims and reports, forgets and comes late, and is killed at any moment. What it holds outlives its connection. */
export async function work(run: Run, random: Random): Promise<void> {
  const held: Claim[] = [];
  await actUntilEnd(run, 'worker', async (session) => {
    const kind = KINDS[Math.floor(random() * KINDS.length)] ?? 'lasting';
    const claimant = { kind, id: newWorker() };
    if (kind === 'beating') await run.queue.beat(claimant.id, DEAD_AFTER_SECONDS);
    const claims = await claimSome(run, random, session, claimant);
    // Of the others nobody ever hears again.
    held.push(...claims.filter(() => random() < 0.8));
    while (held.length > 8 || (held.length > 0 && random() < 0.7)) {
      const some = held.splice(Math.floor(random() * held.length), 1 + Math.floor(random() * 3));
      if (random() < 0.2) held.push(...(await reportTogether(run, random, session, some)));
      else for (const claim of some) await reportAlone(run, random, session, claim);
    }
  });
}

async function claimSome(
  { queue, type, ledger }: Run,
  random: Random,
  { sql, run }: Session,
  { kind, id }: Claimant,
): Promise<Claim[]> {
  const together = random() < 0.2;
  if (together) await sql`begin`;
  const asked = ledger.ask();
  const claims = await queue.claim(
    type,
    { limit: 1 + Math.floor(random() * 4), minutes: kind === 'lasting' ? 30 : 0, worker: id },
    sql,
  );
  ledger.checkClaims(claims, asked);
  if (together) {
    await hold(random);
    const commits = random() < 0.6;
    await run(commits ? 'commit' : 'rollback');
    if (!commits) {
      ledger.drop(claims);
      // Their outcomes must not be taken.
      return claims;
    }
  }
  ledger.hold(claims, asked, kind === 'lasting');
  if (claims.length === 0) await sleep(5);
  return claims;
}

const outcomeOf = (random: Random): Outcome => {
  const choice = random();
  if (choice < 0.5) return { status: 'completed' };
  if (choice < 0.7) return { status: 'pending', error: 'again', backoff_seconds: random() < 0.5 ? 0 : 0.1 };
  return choice < 0.9 ? { status: 'released' } : { status: 'failed', error: 'broken' };
};

async function reportAlone(
  { queue, ledger }: Run,
  random: Random,
  { sql }: Session,
  claim: Claim,
): Promise<void> {
  const outcome = outcomeOf(random);
  const answered = ledger.report(claim, outcome);
  try {
    answered(await queue.report(claim, outcome, sql));
  } catch (error) {
    ledger.doubt(claim, outcome);
    throw error;
  }
}

/** Several outcomes in a transaction. Returns the claims whose outcome it rolled back. */
async function reportTogether(
  { queue, ledger }: Run,
  random: Random,
  { sql, run }: Session,
  claims: readonly Claim[],
): Promise<readonly Claim[]> {
  const reports: { claim: Claim; outcome: Outcome; answered: (took: boolean) => void; took: boolean }[] = [];
  await sql`begin`;
  // In one order, so that workers that once held the same jobs do not wait for each other.
  for (const claim of claims.toSorted((a, b) => (a.job_id < b.job_id ? -1 : 1))) {
    const outcome = outcomeOf(random);
    const answered = ledger.report(claim, outcome);
    reports.push({ claim, outcome, answered, took: await queue.report(claim, outcome, sql) });
  }
  await hold(random);
  if (random() < 0.3) {
    await run('rollback');
    return claims;
  }
  try {
    await run('commit');
  } catch (error) {
    for (const { claim, outcome } of reports) ledger.doubt(claim, outcome);
    throw error;
  }
  for (const { answered, took } of reports) answered(took);
  return [];
}

/** Takes back what killed and forgetful workers hold, and lets jobs go back to the queue meanwhile. */
export async function reap({ queue, end }: Run): Promise<void> {
  while (Date.now() < end) {
    await queue.worker`select ops.reap_stuck_jobs()`;
    await sleep(150);
  }
}

const PATIENCE_MS = 10_000;

/** Ends what is left, also the jobs of workers that never came back. */
export async function drain({ queue, type, ledger }: Run): Promise<void> {
  ledger.letGo();
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(20)) {
    await queue.worker`select ops.reap_stuck_jobs(0)`;
    const asked = ledger.ask();
    const claims = await queue.claim(type, { limit: 100 });
    ledger.checkClaims(claims, asked);
    ledger.hold(claims, asked, true);
    for (const claim of claims) {
      const answered = ledger.report(claim, { status: 'completed' });
      answered(await queue.report(claim, { status: 'completed' }));
    }
    const unfinished = await queue.api()`
      select from ops.jobs where type = ${type} and status in ('pending', 'processing') limit 1`;
    if (unfinished.length === 0) return;
  }
}
