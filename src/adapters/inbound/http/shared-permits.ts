import type { FastifyBaseLogger } from 'fastify';

export interface Grant {
  /** From 0 to as many as were wanted; fewer only when the window has no more. */
  readonly granted: number;
  /** What the window still has for anybody. */
  readonly left: number;
  /** Until the window ends and the next one may begin. */
  readonly remainingMs: number;
}

/** Permits that all replicas share: at most `max` of a key in any window, whoever asks. */
export interface SharedPermits {
  /** The window begins with the first permit taken. Rejects when the store cannot say. */
  take(key: string, wanted: number, max: number, windowMs: number): Promise<Grant>;
}

/** The same, without anybody having to wait for a store that is away. */
export interface GuardedPermits {
  /** Undefined when the store cannot say. Never rejects. */
  take(...question: Question): Promise<Grant | undefined>;
  /** Whether to ask at all. */
  readonly isAvailable: boolean;
  /** Questions to the store so far by what came of them. */
  readonly questions: Readonly<Record<'answered' | 'failed', number>>;
  /** Outages so far. */
  readonly outages: number;
  stop(): void;
}

type Question = Parameters<SharedPermits['take']>;

/** No request waits longer for the store (SEC-8). */
const LONGEST_WAIT_MS = 50;
const PROBE_MS = 250;
/** Questions that wait for an answer at a time. */
const MAX_PENDING = 1000;
/** Asks for what a real question asks for, so that a store that refuses to write counts as away. */
const PROBE = ['probe', 1, Number.MAX_SAFE_INTEGER, 1000] as const;

/**
 * A store that nobody waits for in an outage: the first question without an answer in time ends all others that wait, and
 * nothing is asked again until a probe in the background was answered.
 */
export function guarded(shared: SharedPermits, log: FastifyBaseLogger): GuardedPermits {
  const pending = new Set<(reason: Error) => void>();
  const questions = { answered: 0, failed: 0 };
  let outages = 0;
  let isAway = false;
  let nextProbe: NodeJS.Timeout | undefined;

  async function ask(...question: Question): Promise<Grant> {
    const { promise: noAnswer, reject } = Promise.withResolvers<never>();
    // After the sockets were read: a busy event loop is no outage of the store.
    const timer = setTimeout(() => {
      setImmediate(reject, new Error(`No answer within ${LONGEST_WAIT_MS} ms.`));
    }, LONGEST_WAIT_MS);
    pending.add(reject);
    try {
      const grant = await Promise.race([shared.take(...question), noAnswer]);
      questions.answered += 1;
      return grant;
    } catch (error) {
      questions.failed += 1;
      throw error;
    } finally {
      clearTimeout(timer);
      pending.delete(reject);
    }
  }

  function beginOutage(): void {
    if (isAway) return;
    isAway = true;
    outages += 1;
    log.warn('rate limits counted in this process only');
    for (const reject of pending) reject(new Error('The store of permits is away.'));
    probeLater();
  }

  function probeLater(): void {
    nextProbe = setTimeout(() => void probe(), PROBE_MS).unref();
  }

  async function probe(): Promise<void> {
    try {
      await ask(...PROBE);
      isAway = false;
      log.warn('rate limits shared again');
    } catch {
      // Still away, which is known.
      probeLater();
    }
  }

  return {
    get isAvailable() {
      return !isAway && pending.size < MAX_PENDING;
    },
    questions,
    get outages() {
      return outages;
    },
    async take(...question) {
      try {
        return await ask(...question);
      } catch {
        // Why is Redis' own to say, in readiness and by its client.
        beginOutage();
        return undefined;
      }
    },
    stop() {
      // A probe under way ends an outage or begins none.
      clearTimeout(nextProbe);
    },
  };
}
