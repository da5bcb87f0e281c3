import { LRUCache } from 'lru-cache';
import type { Grant, GuardedPermits } from './shared-permits.ts';

/** So many requests of a subject in a window of time. */
export interface Quota {
  readonly name: string;
  readonly max: number;
  readonly windowMs: number;
}

/** Of one subject, as far as this process knows. Times are those of `performance.now()`. */
export interface Window {
  readonly subject: string;
  /** In hand, to be spent without asking anybody. */
  permits: number;
  /** Here, since the window began. */
  spent: number;
  /** With the shared store, at the most. */
  left: number;
  /** Infinity until somebody has said when. */
  endsAt: number;
  /** Permits that the store was asked for and has not answered. */
  asked: number;
  /** The next lease is fetched when fewer than these are in hand. */
  lowWater: number;
  /** Granted by this process to itself, because there is no store or it is away. */
  isAlone: boolean;
  /** Requests that wait for the store, never more than `asked`. */
  readonly waiting: Tell[];
}

/** Where a client stands with a quota. */
export interface Standing {
  /** So many requests may still come, at the most: other replicas may have spent of what is not in hand. */
  readonly remaining: number;
  /** Until the window ends, in milliseconds. */
  readonly ttl: number;
}

type Tell = (isAdmitted: boolean) => void;

export type Permits = ReturnType<typeof permitsOf>;

/** Subjects that are counted at a time; beyond them the one not seen for longest is forgotten. */
const MAX_SUBJECTS = 10_000;
const LARGEST_LEASE = 1 / 20;
const GRANTED_IN_OUTAGE = 1 / 2;

/**
 * Permits of a quota, each good for one request of a subject (SEC-8).
 *
 * They are taken from the shared store before they are spent, a _lease_ of several at a time, so that most requests wait for
 * nobody. The guarantee: all replicas together admit at most `max` requests in a window of the store, because a lease ends
 * with its window. What is not spent by then is lost: a lease is as large as what was spent here in the window, but at most a
 * twentieth of the quota and a quarter of what is left of it, so that of a quota under 40 nothing is lost, and of a larger one
 * at most a tenth a replica.
 *
 * While the store is away, a replica grants half of the quota, less what was spent here in the window, and the store learns
 * nothing of it. Without a store, this process grants all of it.
 */
export function permitsOf(quota: Quota, shared?: GuardedPermits) {
  const { max, windowMs } = quota;
  const largestLease = Math.max(1, Math.floor(max * LARGEST_LEASE));
  const grantedAlone = shared ? Math.max(1, Math.floor(max * GRANTED_IN_OUTAGE)) : max;
  const windows = new LRUCache<string, Window>({ max: MAX_SUBJECTS });
  const decisions = { admitted: 0, refused: 0 };

  /** The current window of a subject, for this turn of the event loop. */
  function windowOf(subject: string): Window {
    let window = windows.get(subject);
    if (window === undefined) {
      window = { subject, asked: 0, waiting: [], left: max, ...NOTHING };
      windows.set(subject, window);
    } else if (window.endsAt <= performance.now()) {
      Object.assign(window, NOTHING, { left: max });
    } else if (window.isAlone && shared?.isAvailable) {
      // Its end was our own guess. What was spent still counts, should the store go away again.
      Object.assign(window, NOTHING, { left: max, spent: window.spent });
    } else {
      return window;
    }
    if (!shared) standAlone(window);
    return window;
  }

  /** Spends a permit in hand. Where there is none, `take` finds out whether one is to be had. */
  function spend(window: Window): boolean {
    if (window.permits === 0) return false;
    window.permits -= 1;
    admit(window);
    const isLow = window.permits < window.lowWater && window.left > 0;
    if (isLow && window.asked === 0 && shared?.isAvailable) void lease(window, shared);
    return true;
  }

  /** Tells whether the request may go on: at once, or when the store has answered or failed to. */
  function take(window: Window, tell: Tell): void {
    if (spend(window)) tell(true);
    else if (!shared?.isAvailable) tell(spendAlone(window));
    else if (window.waiting.length < window.asked) window.waiting.push(tell);
    // Requests before this one wait for all that is left.
    else if (window.left <= window.asked) tell(refuse());
    else {
      window.waiting.push(tell);
      void lease(window, shared);
    }
  }

  /** Undoes `spend`, unless the window that ended then, at `endsAt`, is over. */
  function giveBack(window: Window, endsAt: number): void {
    if (window.endsAt !== endsAt) return;
    window.permits += 1;
    window.spent -= 1;
  }

  async function lease(window: Window, from: GuardedPermits): Promise<void> {
    const wanted = sizeOfLease(window);
    const askedAt = performance.now();
    window.asked += wanted;
    const grant = await from.take(`${quota.name}:${window.subject}`, wanted, max, windowMs);
    window.asked -= wanted;
    // For us a window ends no later than for the store, which was asked before it answered.
    if (grant) receive(window, grant, wanted, askedAt + grant.remainingMs);
    else for (const tell of window.waiting.splice(0)) tell(spendAlone(window));
  }

  function sizeOfLease({ spent, asked, left }: Window): number {
    return Math.max(1, Math.min(spent + asked, largestLease, Math.floor((left - asked) / 4)));
  }

  function receive(window: Window, grant: Grant, wanted: number, endsAt: number): void {
    // Guesses of one end differ by the time that an answer takes, ends of two windows by more than a window.
    const difference = endsAt - window.endsAt;
    if (difference > windowMs / 2) Object.assign(window, NOTHING);
    const isPast = window.endsAt !== Infinity && difference < -windowMs / 2;
    const admitted = window.waiting.splice(0, grant.granted);
    if (!isPast) {
      window.endsAt = window.endsAt === Infinity ? endsAt : Math.max(window.endsAt, endsAt);
      window.permits += grant.granted - admitted.length;
      window.left = grant.left;
      window.lowWater = Math.floor(grant.granted / 2);
    }
    const refused = grant.granted < wanted ? window.waiting.splice(0) : [];
    for (const tell of admitted) {
      admit(window);
      tell(true);
    }
    for (const tell of refused) tell(refuse());
  }

  function spendAlone(window: Window): boolean {
    if (!window.isAlone) standAlone(window);
    return spend(window) || refuse();
  }

  function standAlone(window: Window): void {
    window.isAlone = true;
    window.permits = Math.max(0, grantedAlone - window.spent);
    window.left = 0;
    if (window.endsAt === Infinity) window.endsAt = performance.now() + windowMs;
  }

  function admit(window: Window): void {
    window.spent += 1;
    decisions.admitted += 1;
  }

  function refuse(): false {
    decisions.refused += 1;
    return false;
  }

  const standingOf = ({ permits, left, endsAt }: Window): Standing => ({
    remaining: permits + left,
    ttl: Math.min(endsAt - performance.now(), windowMs),
  });

  return { quota, decisions, windowOf, spend, giveBack, take, standingOf };
}

const NOTHING = { permits: 0, spent: 0, endsAt: Infinity, lowWater: 0, isAlone: false };
