import type { Execution, Halt, JobFacts, Span } from './facts.ts';

/** What a queue must never do, by the name that the report has for it. */
export const VIOLATIONS = [
  'lost',
  'unfinished',
  'phantom',
  'torn transaction',
  'there twice',
  'accepted twice',
  'completed without a run',
  'outcome overwritten',
  'outcome of another attempt',
  'outcome of another holder',
  'outcome against the plan',
  'attempt begun twice',
  'too many attempts',
  'failed with attempts left',
  'started too early',
  'claimed while halted',
  'cancelled unasked',
  'follow-up missing',
  'follow-up of nothing',
] as const;

export type Violation = (typeof VIOLATIONS)[number];

/** Numbers of the jobs in which a rule was broken. */
export type Found = ReadonlyMap<Violation, readonly number[]>;

/** What happened to all jobs alike. */
export interface Circumstances {
  /** Of PostgreSQL, each until it was up again. */
  readonly crashes: readonly Span[];
  readonly halts: readonly Halt[];
}

/** Checks every job that anybody knows of, also those that were rolled back. */
export function findViolations(jobs: readonly JobFacts[], circumstances: Circumstances): Found {
  const found = new Map<Violation, number[]>(VIOLATIONS.map((violation) => [violation, []]));
  const uncertain = new Map<number, JobFacts[]>();
  const followers = new Map(jobs.flatMap((job) => (job.parent === undefined ? [] : [[job.parent, job]])));
  for (const job of jobs) {
    for (const violation of violationsOf(job, circumstances)) found.get(violation)?.push(job.n);
    const follower = followers.get(job.n);
    const fault = follower && faultOfFollower(follower, job);
    if (fault) found.get(fault)?.push(follower.n);
    if (job.fate !== 'unknown') continue;
    const together = uncertain.get(job.transaction) ?? [];
    together.push(job);
    uncertain.set(job.transaction, together);
  }
  for (const together of uncertain.values()) {
    const missing = together.filter((job) => !isThere(job));
    if (missing.length < together.length) found.get('torn transaction')?.push(...missing.map(({ n }) => n));
  }
  return found;
}

const isThere = ({ finals }: JobFacts): boolean => finals.length > 0;

function violationsOf(job: JobFacts, circumstances: Circumstances): Violation[] {
  return VIOLATIONS.filter((violation) => RULES[violation]?.(job, circumstances));
}

/** It is there exactly if its parent was completed, and was queued by the execution whose result was kept. */
function faultOfFollower(follower: JobFacts, parent: JobFacts): Violation | undefined {
  const kept = parent.finals.filter(({ status }) => status === 'completed').map(({ resultOf }) => resultOf);
  if (kept.length > 0 && !isThere(follower)) return 'follow-up missing';
  const isOfNothing =
    (kept.length === 0 && follower.executions.length > 0) ||
    follower.finals.some(({ follows }) => !kept.includes(follows));
  return isOfNothing ? 'follow-up of nothing' : undefined;
}

/** By when a commit that did not wait for the disk is on it: three rounds of PostgreSQL's writer, and some more. */
const WRITTEN_AFTER_MS = 1000;

/** A claim that the server may have forgotten: it answered, and crashed before it was on the disk. */
const mayBeForgotten = ({ fromMs, toMs }: Span, crashes: readonly Span[]): boolean =>
  crashes.some((crash) => fromMs <= crash.toMs && crash.fromMs <= toMs + WRITTEN_AFTER_MS);

const claimedAt = ({ claimed }: Execution): number => claimed.fromMs;

/**
 * Only the last claim of an attempt may be one that stays, but for one more each time that the job was redriven, and no claim of a
 * last attempt is forgotten.
 */
function isBegunTwice({ plan, executions, redriven }: JobFacts, crashes: readonly Span[]): boolean {
  const byAttempt = Map.groupBy(executions, ({ attempt }) => attempt);
  return [...byAttempt].some(([attempt, runs]) => {
    const earlier = runs.toSorted((one, other) => claimedAt(one) - claimedAt(other)).slice(0, -1);
    const isLast = attempt === plan.maxAttempts;
    const staying = earlier.filter(({ claimed }) => isLast || !mayBeForgotten(claimed, crashes));
    return staying.length > redriven;
  });
}

/** Whether somebody claimed the job after the holder whose result was kept, who then had lost it. */
function isOfAnotherHolder({ finals, accepted, executions }: JobFacts): boolean {
  const kept = [...accepted, ...finals.flatMap(({ resultOf }) => resultOf ?? [])];
  if (new Set(kept).size > 1) return true;
  const holder = executions.find(({ run }) => kept.includes(run));
  return holder !== undefined && executions.some(({ claimed }) => claimed.fromMs > holder.claimed.toMs);
}

const within = (inner: Span, outer: Span): boolean => outer.fromMs < inner.fromMs && inner.toMs < outer.toMs;

/** Of one job by itself. */
const RULES: Partial<Record<Violation, (job: JobFacts, circumstances: Circumstances) => boolean>> = {
  lost: (job) => job.fate === 'committed' && !isThere(job),
  unfinished: ({ finals }) => finals.some(({ status }) => !FINISHED.has(status)),
  phantom: (job) => {
    const left = isThere(job) || job.executions.length > 0 || job.accepted.length > 0;
    return left && (job.fate === 'rolled back' || (job.fate === 'unknown' && !isThere(job)));
  },
  'there twice': ({ finals }) => finals.length > 1,
  'accepted twice': ({ accepted }) => accepted.length > 1,
  'completed without a run': ({ finals, executions }) =>
    finals.some(
      ({ status, resultOf }) => status === 'completed' && !executions.some(({ run }) => run === resultOf),
    ),
  'outcome overwritten': (job) =>
    isThere(job) &&
    ((job.accepted.length > 0 && !endedAs(job, 'completed')) ||
      (job.cancel === 'told' && !endedAs(job, 'cancelled'))),
  'outcome of another attempt': ({ finals, executions }) =>
    finals.some(
      ({ status, attempts, resultOf }) =>
        status === 'completed' &&
        executions.some(({ run, attempt }) => run === resultOf && attempt !== attempts),
    ),
  'outcome of another holder': isOfAnotherHolder,
  'outcome against the plan': ({ plan, finals }) =>
    finals.some(({ status, attempts }) => status === 'completed' && (plan.dies || attempts <= plan.failures)),
  'attempt begun twice': (job, { crashes }) => isBegunTwice(job, crashes),
  'too many attempts': ({ plan, finals, executions }) =>
    finals.some(({ attempts }) => attempts > plan.maxAttempts) ||
    executions.some(({ attempt }) => attempt > plan.maxAttempts),
  'failed with attempts left': ({ plan, finals }) =>
    !plan.dies && finals.some(({ status, attempts }) => status === 'failed' && attempts < plan.maxAttempts),
  'started too early': ({ plan, executions }) => executions.some(({ startedMs }) => startedMs < plan.runAtMs),
  'claimed while halted': ({ plan, executions }, { halts }) =>
    halts.some(
      (halt) =>
        (halt.organization ?? plan.organization) === plan.organization &&
        executions.some(({ claimed }) => within(claimed, halt)),
    ),
  'cancelled unasked': (job) => job.cancel === 'no' && endedAs(job, 'cancelled'),
};

const FINISHED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

const endedAs = ({ finals }: JobFacts, status: string): boolean =>
  finals.some((final) => final.status === status);
