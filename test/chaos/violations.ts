import type { JobFacts } from './facts.ts';

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
  'outcome against the plan',
  'attempt begun twice',
  'too many attempts',
  'failed with attempts left',
  'started too early',
  'cancelled unasked',
] as const;

export type Violation = (typeof VIOLATIONS)[number];

/** Numbers of the jobs in which a rule was broken. */
export type Found = ReadonlyMap<Violation, readonly number[]>;

/** Checks every job that anybody knows of, also those that were rolled back. */
export function findViolations(jobs: Iterable<JobFacts>): Found {
  const found = new Map<Violation, number[]>(VIOLATIONS.map((violation) => [violation, []]));
  const uncertain = new Map<number, JobFacts[]>();
  for (const job of jobs) {
    for (const violation of violationsOf(job)) found.get(violation)?.push(job.n);
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

function violationsOf(job: JobFacts): Violation[] {
  return VIOLATIONS.filter((violation) => RULES[violation]?.(job));
}

/** Of one job by itself. */
const RULES: Partial<Record<Violation, (job: JobFacts) => boolean>> = {
  lost: (job) => job.fate === 'committed' && !isThere(job),
  unfinished: ({ finals }) => finals.some(({ status }) => !FINISHED.has(status)),
  phantom: (job) => {
    const left = isThere(job) || job.executions.length > 0 || job.accepted.length > 0;
    return left && (job.fate === 'rolled back' || (job.fate === 'unknown' && !isThere(job)));
  },
  'there twice': ({ finals }) => finals.length > 1,
  'accepted twice': ({ accepted }) => accepted.length > 1,
  'completed without a run': (job) => endedAs(job, 'completed') && job.executions.length === 0,
  'outcome overwritten': (job) =>
    isThere(job) &&
    ((job.accepted.length > 0 && !endedAs(job, 'completed')) ||
      (job.cancel === 'told' && !endedAs(job, 'cancelled'))),
  'outcome of another attempt': ({ finals, accepted, executions }) =>
    finals.some(
      ({ status, attempts, resultOf }) =>
        status === 'completed' &&
        (resultOf !== attempts ||
          accepted.some((attempt) => attempt !== resultOf) ||
          (executions.length > 0 && !executions.some(({ attempt }) => attempt === resultOf))),
    ),
  'outcome against the plan': ({ plan, finals }) =>
    finals.some(({ status, attempts }) => status === 'completed' && (plan.dies || attempts <= plan.failures)),
  'attempt begun twice': ({ executions }) =>
    new Set(executions.map(({ attempt }) => attempt)).size < executions.length,
  'too many attempts': ({ plan, finals, executions }) =>
    finals.some(({ attempts }) => attempts > plan.maxAttempts) ||
    executions.some(({ attempt }) => attempt > plan.maxAttempts),
  'failed with attempts left': ({ plan, finals }) =>
    !plan.dies && finals.some(({ status, attempts }) => status === 'failed' && attempts < plan.maxAttempts),
  'started too early': ({ plan, executions }) => executions.some(({ startedMs }) => startedMs < plan.runAtMs),
  'cancelled unasked': (job) => job.cancel === 'no' && endedAs(job, 'cancelled'),
};

const FINISHED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

const endedAs = ({ finals }: JobFacts, status: string): boolean =>
  finals.some((final) => final.status === status);
