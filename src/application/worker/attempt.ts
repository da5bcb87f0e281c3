import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { JobContext } from '../jobs/define-job.ts';

/** How an attempt ended: by its handler, or from outside, for the reason in `error`. */
export type Ending = { readonly value: unknown } | { readonly error: unknown };

/**
 * One attempt of a job: what its handler sees, and what ends it. There may be tens of thousands a second, so the signal is
 * made only when a handler asks for it, and the deadline is kept by whoever calls `checkDeadline` from time to time.
 */
export class Attempt implements JobContext {
  readonly job: ClaimedJob;
  readonly traceparent: string;
  readonly startedMs = performance.now();
  readonly #timeoutSeconds: number;
  readonly #onEnd: (ending: Ending) => void;
  #controller: AbortController | undefined;
  #abortedWith: Error | undefined;
  #ended = false;

  /** @param onEnd called once */
  constructor(job: ClaimedJob, traceparent: string, timeoutSeconds: number, onEnd: (ending: Ending) => void) {
    this.job = job;
    this.traceparent = traceparent;
    this.#timeoutSeconds = timeoutSeconds;
    this.#onEnd = onEnd;
  }

  get jobId(): string {
    return this.job.id;
  }

  get attempt(): number {
    return this.job.attempt;
  }

  get traceId(): string {
    return this.job.traceId;
  }

  get organizationId(): string | null {
    return this.job.organizationId;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortedWith) this.#controller.abort(this.#abortedWith);
    }
    return this.#controller.signal;
  }

  /** The handler fulfilled with this. Only the first end counts. */
  readonly returned = (value: unknown): void => {
    this.#end({ value });
  };

  readonly threw = (error: unknown): void => {
    this.#end({ error });
  };

  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(ending);
  }

  /** Ends the attempt even if its handler ignores the signal; what the handler does then is its own affair. */
  abort(reason: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abortedWith = reason;
    this.#controller?.abort(reason);
    // Whoever aborts several attempts is through with it before the first one counts as ended.
    queueMicrotask(() => {
      this.#onEnd({ error: reason });
    });
  }

  checkDeadline(nowMs: number): void {
    if (nowMs < this.startedMs + this.#timeoutSeconds * 1000) return;
    this.abort(new Error(`The handler did not end within ${this.#timeoutSeconds} s.`));
  }
}
