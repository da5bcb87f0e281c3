import { type Claim, newType, newWorker } from '../queue.ts';
import { type Job, type ModelWorker, isClaimable, isPurged, isUnfinished } from './job.ts';

/** How many connections act. Each is known by its number. */
export const SESSIONS = 3;
export const TYPES = 2;
export const WORKERS = 4;

/** What a session sees and others do not. */
interface Changes {
  readonly changed: ReadonlyMap<string, Job>;
  /** Jobs, and leases of claims by their tokens, that it may have locked without a change. */
  readonly touched: ReadonlySet<string>;
}

interface Transaction {
  now: Changes;
  readonly savepoints: Changes[];
}

/** Whether a statement meets a transaction of another session that decides its answer. */
export type Waits = 'never' | 'maybe' | 'must';

export type World = ReturnType<typeof newWorld>;

/** What the database must hold, as transactions see it. `session` is who looks; undefined sees what is committed. */
export function newWorld() {
  const committed = new Map<string, Job>();
  const transactions = new Map<number, Transaction>();
  /** Jobs that have been claimable for so long that no claim overlooks them. */
  const settled = new Set<string>();

  const of = (session: number | undefined): Changes | undefined =>
    session === undefined ? undefined : transactions.get(session)?.now;
  const others = (session: number | undefined): Changes[] =>
    [...transactions].flatMap(([number, { now }]) => (number === session ? [] : [now]));
  const seenWith = (changes?: Changes): Job[] =>
    [...new Map([...committed, ...(changes?.changed ?? [])]).values()].filter((job) => !isPurged(job));

  const seen = (session?: number): Job[] => seenWith(of(session));
  const see = (session: number | undefined, id: string): Job | undefined => {
    const job = of(session)?.changed.get(id) ?? committed.get(id);
    return job && !isPurged(job) ? job : undefined;
  };
  const changedByOthers = (session: number | undefined, id: string): boolean =>
    others(session).some(({ changed }) => changed.has(id));
  const companyIn = ({ changed, touched }: Changes): Set<unknown> => {
    const ids = [...changed.keys(), ...touched];
    const versions = [...ids.map((id) => committed.get(id)), ...changed.values()];
    return new Set<unknown>([...versions.flatMap(companyOf), ...touched]);
  };
  const touchedByOthers = (session: number | undefined, id: string): boolean =>
    others(session).some((changes) => {
      if (changes.changed.has(id) || changes.touched.has(id)) return true;
      const company = companyIn(changes);
      return companyOf(see(session, id)).some((mark) => company.has(mark));
    });

  /** Whether another transaction may hold the lease of this claim, on which every report of a job of it waits. */
  const leaseTouchedByOthers = (session: number | undefined, token: string): boolean =>
    others(session).some((changes) => companyIn(changes).has(token));

  /** Those whose rows the transaction held are free now, and perhaps not yet found by claims. */
  function unsettle(changes: Changes): void {
    const company = companyIn(changes);
    for (const id of settled) {
      const isFreed =
        changes.changed.has(id) ||
        changes.touched.has(id) ||
        companyOf(committed.get(id)).some((mark) => company.has(mark));
      if (isFreed) settled.delete(id);
    }
  }

  function end(session: number): Changes {
    const { now } = transactions.get(session) ?? { now: { changed: new Map(), touched: new Set() } };
    transactions.delete(session);
    unsettle(now);
    return now;
  }

  return {
    types: Array.from({ length: TYPES }, newType),
    workers: Array.from({ length: WORKERS }, (): ModelWorker => ({ id: newWorker(), heart: 'none' })),
    paused: new Set<string>(),
    frozen: false,
    /** Every claim that was answered, those of transactions that rolled back too. */
    claims: [] as Claim[],
    /** Every job that was ever queued, those of transactions that rolled back too, in that order. */
    queued: [] as string[],
    settled,

    isOpen: (session: number): boolean => transactions.has(session),
    isQuiet: (): boolean => transactions.size === 0,
    savepoints: (session: number): number => transactions.get(session)?.savepoints.length ?? 0,
    begin: (session: number): void => {
      transactions.set(session, { now: { changed: new Map(), touched: new Set() }, savepoints: [] });
    },
    commit: (session: number): void => {
      for (const [id, job] of end(session).changed) committed.set(id, job);
    },
    rollback: (session: number): void => void end(session),
    savepoint: (session: number): void => {
      const transaction = transactions.get(session);
      transaction?.savepoints.push(transaction.now);
    },
    /** To the savepoint of that number, which stays. */
    rollbackTo: (session: number, number: number): void => {
      const transaction = transactions.get(session);
      const savepoint = transaction?.savepoints[number];
      if (!transaction || !savepoint) return;
      transaction.savepoints.length = number + 1;
      unsettle(transaction.now);
      transaction.now = savepoint;
    },

    seen,
    see,
    changedByOthers,
    touchedByOthers,
    leaseTouchedByOthers,

    put: (session: number | undefined, job: Job): void => {
      settled.delete(job.id);
      const transaction = session === undefined ? undefined : transactions.get(session);
      if (!transaction) committed.set(job.id, job);
      else {
        const { changed, touched } = transaction.now;
        transaction.now = { changed: new Map(changed).set(job.id, job), touched };
      }
    },
    /** What a day that is over takes with it. */
    forget: (isGone: (job: Job) => boolean): void => {
      for (const job of [...committed.values()].filter(isGone)) committed.delete(job.id);
    },
    touch: (session: number, id: string): void => {
      const transaction = transactions.get(session);
      if (!transaction) return;
      settled.delete(id);
      const { changed, touched } = transaction.now;
      transaction.now = { changed, touched: new Set(touched).add(id) };
    },

    /** The unfinished job with the key. */
    holder: (session: number, type: string, key: string): Job | undefined =>
      holderIn(seen(session), type, key),
    /** Whether who wants the key must wait: whether its holder is another one if another transaction commits. */
    keyWaits: (session: number, type: string, key: string): Waits => {
      const mine = holderIn(seen(session), type, key);
      const contenders = others(session).filter(({ changed }) =>
        [...changed.values()].some((job) => job.type === type && job.key === key),
      );
      if (contenders.length === 0) return 'never';
      if (mine && of(session)?.changed.has(mine.id)) return 'maybe';
      return contenders.some((changes) => holderIn(seenWith(changes), type, key)?.id !== mine?.id)
        ? 'must'
        : 'maybe';
    },

    /** What claims of the types must find in the end. What the session itself has changed they may find. */
    toBeFound(session: number | undefined, types: readonly string[], at: number): Job[] {
      if (this.frozen) return [];
      return seen(session).filter(
        (job) =>
          types.includes(job.type) &&
          !this.paused.has(job.type) &&
          isClaimable(job, at) &&
          !touchedByOthers(session, job.id) &&
          !of(session)?.changed.has(job.id),
      );
    },
  };
}

/** What is locked with a job: what was queued, or claimed, with it. */
const companyOf = (job: Job | undefined): unknown[] => {
  if (!job) return [];
  return job.lease ? [job.batch, job.lease.token] : [job.batch];
};

const holderIn = (jobs: readonly Job[], type: string, key: string): Job | undefined =>
  jobs.find((job) => job.type === type && job.key === key && isUnfinished(job));
