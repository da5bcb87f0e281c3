import { DomainError } from '../errors.ts';
import { toStorable } from './storable.ts';

/** Thrown by a handler when trying again cannot help: the job becomes a dead letter at once. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure';
}

/** Thrown by a handler that was told when to come back; a longer back-off of the policy wins. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly afterSeconds: number;

  constructor(message: string, afterSeconds: number) {
    super(message);
    this.afterSeconds = afterSeconds;
  }
}

/** Thrown by a handler that did not even begin: the job goes back with its attempt and comes again later. */
export class NotAttempted extends Error {
  override readonly name = 'NotAttempted';
  readonly afterSeconds: number;

  constructor(message: string, afterSeconds: number) {
    super(message);
    this.afterSeconds = afterSeconds;
  }
}

/** What the database keeps of an error. */
const MAX_CHARACTERS = 2000;
/** Deep enough for every real chain, and an end for a cyclic one. */
const MAX_CAUSES = 5;

/**
 * What a job's owner may read of a failure: the messages of the error and of its causes, never a stack. What a
 * DomainError has as its cause stays inside.
 */
export function describeFailure(error: unknown): string {
  const messages: string[] = [];
  let current = error;
  while (current instanceof Error && messages.length < MAX_CAUSES) {
    messages.push(messageOf(current));
    current = current instanceof DomainError ? undefined : current.cause;
  }
  if (messages.length === 0) {
    messages.push(typeof error === 'string' ? error : 'The handler threw something that is no error.');
  }
  return toStorable(messages.join(' Cause: ').slice(0, MAX_CHARACTERS));
}

/** Node's AggregateError of a failed connection has no message of its own. */
function messageOf(error: Error): string {
  if (error.message !== '') return error.message;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
