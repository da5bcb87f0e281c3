import type { Claim, Outcome } from '../queue.ts';

/** One attempt: a token may be shared by the jobs of a claim. */
const keyOf = ({ job_id, lease_token }: Claim): string => `${job_id} ${lease_token}`;

/** Of the transaction that queued a job. In doubt: it was killed while it was committing, unless that is still to come. */
type State = 'open' | 'in doubt' | 'committed';

interface Attempt {
  readonly claim: Claim;
  /** When its answer had come, by the ledger's own count. */
  readonly known: number;
  /** Whether nobody may take the job back during the test, whatever happens. */
  readonly lasting: boolean;
}

/** What the outcome makes of the job, or undefined if it goes on. */
const endOf = ({ attempts: number, max_attempts }: Claim, { status }: Outcome): string | undefined => {
  if (status === 'released' || (status === 'pending' && number < max_attempts)) return undefined;
  return status === 'pending' ? 'failed' : status;
};

/** Nobody is told which dead letters were. */
const mayBeRedriven = ({ status }: { status: string }): boolean => status === 'failed';

export type Ledger = ReturnType<typeof newLedger>;

/**
 * What the callers know from the answers that they got, and what contradicts it. Answers overtake each other on their way:
 * what was known before a question was asked is certain, anything else is not.
 */
export function newLedger() {
  let count = 0;
  const faults: string[] = [];
  const jobs = new Map<string, State>();
  const attempts = new Map<string, Attempt[]>();
  /** Attempts that can no longer have an outcome: another one came after, or their claim was rolled back. */
  const over = new Set<string>();
  /** Attempts that had an outcome, or whose outcome was sent and never answered. */
  const accepted = new Set<string>();
  const reported = new Set<string>();
  const cancelling = new Set<string>();
  /** How jobs ended, and how they may have. */
  const ends = new Map<string, { readonly status: string; readonly known: number }>();
  const doubts = new Map<string, string[]>();
  /** Since when it is known that nothing may be claimed. */
  let haltedSince = Infinity;
  let purged = 0;

  function checkClaim({ job_id, attempts: number, max_attempts, run_at }: Claim, asked: number): void {
    const state = jobs.get(job_id);
    if (state !== 'committed' && state !== 'in doubt') faults.push(`${job_id} runs although it is ${state}`);
    if (number > max_attempts) faults.push(`${job_id} has attempt ${number} of ${max_attempts}`);
    if (run_at.getTime() > Date.now()) faults.push(`${job_id} runs before its time`);
    const end = ends.get(job_id);
    if (end && end.known < asked && !mayBeRedriven(end))
      faults.push(`${job_id} runs although it is ${end.status}`);
    for (const { claim, known, lasting } of attempts.get(job_id) ?? []) {
      if (lasting && known < asked && !reported.has(keyOf(claim)))
        faults.push(`${job_id} runs twice at a time`);
    }
  }

  const isLasting = (claim: Claim): boolean =>
    (attempts.get(claim.job_id) ?? []).some((one) => one.lasting && keyOf(one.claim) === keyOf(claim));

  return {
    faults,
    jobs,
    /** The moment at which something is asked. */
    ask: (): number => (count += 1),
    mark: (ids: readonly string[], state: State): void => {
      for (const id of ids) jobs.set(id, state);
    },
    committed: (): string[] => [...jobs].flatMap(([id, state]) => (state === 'committed' ? [id] : [])),

    halted: (): void => void (haltedSince = count += 1),
    /** Before that is asked for. */
    goesOn: (): void => void (haltedSince = Infinity),
    purged: (jobs: number): void => void (purged += jobs),
    /** How many jobs must be gone. */
    gone: (): number => purged,

    checkClaims: (claims: readonly Claim[], asked: number): void => {
      if (claims.length > 0 && haltedSince < asked) faults.push('jobs are claimed from a halted queue');
      for (const claim of claims) checkClaim(claim, asked);
    },
    /** Claims whose transaction is committed, asked for at that moment. */
    hold: (claims: readonly Claim[], asked: number, lasting: boolean): void => {
      for (const claim of claims) {
        const all = attempts.get(claim.job_id) ?? [];
        for (const earlier of all) if (earlier.known < asked) over.add(keyOf(earlier.claim));
        attempts.set(claim.job_id, [...all, { claim, known: (count += 1), lasting }]);
      }
    },
    /** Claims whose transaction is rolled back. */
    drop: (claims: readonly Claim[]): void => {
      for (const claim of claims) over.add(keyOf(claim));
    },
    /** Call it before the outcome is sent, and what it returns with the answer once that is certain. */
    report: (claim: Claim, outcome: Outcome): ((took: boolean) => void) => {
      const key = keyOf(claim);
      const id = claim.job_id;
      const wasOver = over.has(key) || accepted.has(key);
      const wasSafe = isLasting(claim) && !reported.has(key) && !cancelling.has(id);
      reported.add(key);
      return (took) => {
        if (took && wasOver) faults.push(`${id} took an outcome of an attempt that was over`);
        if (took && accepted.has(key)) faults.push(`${id} took two outcomes of one attempt`);
        if (!took && wasSafe && !cancelling.has(id)) faults.push(`${id} refused the outcome of its attempt`);
        if (!took) return;
        accepted.add(key);
        const end = endOf(claim, outcome);
        if (end === undefined) return;
        const before = ends.get(id);
        if (before && !mayBeRedriven(before)) faults.push(`${id} is ${end} although it was ${before.status}`);
        ends.set(id, { status: end, known: (count += 1) });
      };
    },
    /** An outcome that may have been accepted: its answer never came. */
    doubt: (claim: Claim, outcome: Outcome): void => {
      const end = endOf(claim, outcome);
      if (end !== undefined) doubts.set(claim.job_id, [...(doubts.get(claim.job_id) ?? []), end]);
    },

    cancel: (id: string): void => void cancelling.add(id),
    cancelled: (id: string): void => {
      const end = ends.get(id) ?? { status: 'cancelled' };
      if (end.status !== 'cancelled' && !mayBeRedriven(end))
        faults.push(`${id} is cancelled although it was ${end.status}`);
      ends.set(id, { status: 'cancelled', known: (count += 1) });
    },
    /** How the job may have ended, also by losing its last attempt. */
    endsOf: (id: string, usedUp: boolean): string[] => {
      const end = ends.get(id);
      if (end && !mayBeRedriven(end)) return [end.status];
      return [...(end ? [end.status] : []), ...(doubts.get(id) ?? []), ...(usedUp ? ['failed'] : [])];
    },
    /** From now on every attempt may be taken back. */
    letGo: (): void => attempts.clear(),
  };
}
