import { DomainError } from '#src/domain/errors.ts';
import type { RequestContext } from '../context.ts';
import type { Answer, Execution, IdempotencyStore, KeyedRequest } from './ports.ts';

/** A batch of 1,000 new jobs is answered in at most 0.5 MB. */
const MAX_BODY_BYTES = 1_048_576;

export type Idempotency = ReturnType<typeof makeIdempotency>;

/** A request with a key is done once, and whoever asks again gets the answer of that once (API-5). */
export function makeIdempotency(store: IdempotencyStore) {
  return {
    /**
     * What to do, in the transaction of the execution; or what was answered when it was done.
     *
     * @throws DomainError `idempotency_key_in_use`, `idempotency_key_reused`, `idempotency_answer_not_kept`
     */
    async begin(
      context: RequestContext,
      request: KeyedRequest,
    ): Promise<{ readonly execution: Execution } | { readonly answer: Answer }> {
      const claim = await store.claim(context, request);
      if (claim.state === 'claimed') return { execution: claim.execution };
      if (claim.state === 'in_use') throw inUse();
      if (claim.state === 'reused') throw reused();
      if (!claim.answer) throw notKept();
      return { answer: claim.answer };
    },

    /**
     * A success is kept with its effect. A refusal is kept with what it recorded (DATA-7): what a use case took back is rolled
     * back already. A fault of ours is as if nothing had been asked. Nothing may be answered before this fulfils.
     *
     * @param mayKeep false for an answer that must not be stored: then it is only kept that the request was done
     * @throws DomainError `database_unavailable`
     */
    async end(execution: Execution, answer: Answer, mayKeep: boolean): Promise<void> {
      if (answer.status >= 500) {
        await execution.rollBack();
        return;
      }
      try {
        await execution.commit(mayKeep && fits(answer) ? answer : undefined);
      } catch (error) {
        await execution.rollBack();
        throw error;
      }
    },
  };
}

const fits = ({ body = '' }: Answer): boolean => Buffer.byteLength(body) <= MAX_BODY_BYTES;

const inUse = (): DomainError =>
  new DomainError(
    'idempotency_key_in_use',
    'A request with this Idempotency-Key is under way. Send it again after the seconds in Retry-After.',
  );
const reused = (): DomainError =>
  new DomainError(
    'idempotency_key_reused',
    'This Idempotency-Key stands for a request with another query or body. Use a new key for another request.',
  );
const notKept = (): DomainError =>
  new DomainError(
    'idempotency_answer_not_kept',
    'The request was done, and its answer is not kept: it held a secret or was too large. See what became of it.',
  );
