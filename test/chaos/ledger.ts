import type { Execution, Fate, Final, JobFacts, Plan } from './facts.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Entry extends Mutable<JobFacts> {
  readonly executions: Execution[];
  readonly accepted: string[];
  readonly finals: Final[];
}

export type Ledger = ReturnType<typeof createLedger>;

/** The facts of every job, as they become known. */
export function createLedger() {
  const entries: Entry[] = [];
  /** What was found of jobs whose number nobody gave out. */
  const strangers: string[] = [];
  let [queued, begun, transactions] = [0, 0, 0];

  return {
    entries: entries as readonly JobFacts[],
    strangers: strangers as readonly string[],
    /** How many are committed, as far as is known. */
    queued: (): number => queued,
    /** How many of those neither ran nor were cancelled yet, about. */
    backlog: (): number => queued - begun,
    newTransaction: (): number => (transactions += 1),
    /** A job that is about to be queued, or shall be by the completion of its parent. @returns its number */
    plan(plan: Plan, transaction: number, parent?: number): number {
      const n = entries.length;
      entries.push({
        n,
        transaction,
        plan,
        fate: parent === undefined ? 'unknown' : 'follow-up',
        parent,
        cancel: 'no',
        executions: [],
        accepted: [],
        redriven: 0,
        finals: [],
      });
      return n;
    },
    decide(numbers: readonly number[], fate: Fate): void {
      for (const n of numbers) of(n).fate = fate;
      if (fate === 'committed') queued += numbers.length;
    },
    cancel(n: number, cancel: 'asked' | 'told'): void {
      const entry = of(n);
      entry.cancel = cancel;
      if (cancel === 'told' && entry.executions.length === 0) begun += 1;
    },
    ran(n: number, execution: Execution): void {
      const entry = entries[n];
      if (!entry) strangers.push(`job ${n} ran`);
      else if (entry.executions.push(execution) === 1 && entry.fate !== 'follow-up') begun += 1;
    },
    accepted(n: number, run: string): void {
      entries[n]?.accepted.push(run);
    },
    redriven(n: number, times: number): void {
      of(n).redriven = times;
    },
    found(id: string, n: number | null, final: Final): void {
      const entry = entries[n ?? -1];
      if (entry) entry.finals.push(final);
      else strangers.push(`the job ${id} is there`);
    },
  };

  function of(n: number): Entry {
    const entry = entries[n];
    if (!entry) throw new RangeError(`Nobody queued a job with the number ${n}.`);
    return entry;
  }
}
