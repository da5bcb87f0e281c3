/** Every way in which a request can be refused. A code never changes its meaning; adapters translate it, never invent one. */
export type ErrorCode =
  | 'unauthenticated'
  | 'permission_denied'
  | 'privilege_escalation'
  | 'validation_failed'
  | 'job_not_found'
  | 'job_type_unknown'
  | 'payload_invalid'
  | 'cursor_invalid'
  | 'job_not_cancellable'
  | 'job_not_retryable'
  | 'unique_key_taken'
  | 'api_key_not_found'
  | 'api_key_name_taken'
  | 'api_key_rotating'
  | 'idempotency_key_in_use'
  | 'idempotency_key_reused'
  | 'idempotency_answer_not_kept'
  | 'database_unavailable';

/** One fault of the input. `pointer` is an RFC 6901 JSON pointer into the document that was sent, "" for all of it. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** `message` is a sentence for the caller that says what to do; what must stay inside goes into `cause`. */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { fields?: readonly FieldError[]; cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.fields = options.fields ?? [];
  }
}
