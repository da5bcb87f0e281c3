import { DomainError, type ErrorCode, type FieldError } from '#src/domain/errors.ts';
import { HttpError, type HttpErrorCode } from '../problems/http-error.ts';
import type { ProblemField } from '../problems/problem-fields.ts';
import { type Problem, type ProblemCode, problemOf, refusalOf } from '../problems/problems.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

const KNOWN_TYPES = 'Unknown job type. Known types: smoke.echo, webhook.deliver.';

/** What the domain says; a test compares it with what the service answers. */
const REFUSALS: Readonly<Record<ErrorCode, readonly [detail: string, fields?: readonly FieldError[]]>> = {
  unauthenticated: [
    'The API key is missing, unknown, revoked or expired. Send `Authorization: Bearer dfk_…`.',
  ],
  validation_failed: [
    'The request does not fit the schema of this operation; see errors.',
    [
      { pointer: '/type', detail: 'Invalid input: expected string, received undefined' },
      { pointer: '/attempts', detail: 'Unknown field.' },
    ],
  ],
  permission_denied: [
    'Your key does not have the permission queues:purge. Ask an administrator of your organisation.',
  ],
  privilege_escalation: ['Your key cannot give what it does not have: audit:read.'],
  api_key_not_found: ['There is no live API key with this id.'],
  api_key_name_taken: ['This client has a live key; rotate or revoke it, or take another name.'],
  api_key_rotating: [
    'This client has two live keys already; revoke one, or wait until the older one has ended.',
  ],
  job_not_found: ['There is no job with this id.'],
  job_type_unknown: [KNOWN_TYPES, [{ pointer: '/type', detail: KNOWN_TYPES }]],
  payload_invalid: [
    'The payload does not fit the job type webhook.deliver.',
    [{ pointer: '/payload/url', detail: 'An absolute http or https URL.' }],
  ],
  cursor_invalid: ['Pass next_cursor as it was given, or none for the first page.'],
  job_not_cancellable: ['The job is completed already; only an unfinished job can be cancelled.'],
  job_not_retryable: ['The job is completed; only a failed, cancelled or waiting job can be retried.'],
  unique_key_taken: ['Another unfinished job has this unique key; wait for it or cancel it.'],
  idempotency_key_in_use: [
    'A request with this Idempotency-Key is under way. Send it again after the seconds in Retry-After.',
  ],
  idempotency_key_reused: [
    'This Idempotency-Key stands for a request with another query or body. Use a new key for another request.',
  ],
  idempotency_answer_not_kept: [
    'The request was done, and its answer is not kept: it held a secret or was too large. See what became of it.',
  ],
  database_unavailable: ['The database cannot be reached at the moment. Try again shortly.'],
};

const BAD_PARAMETER: ProblemField = { parameter: 'limit', detail: 'Too big: expected number to be <=100' };

/** Headers that are reckoned anew for each request; those that are always the same stand in problems.ts. */
export const RECKONED_HEADERS: Readonly<Partial<Record<ProblemCode, Readonly<Record<string, string>>>>> = {
  rate_limited: {
    'retry-after': '23',
    ratelimit: '"authenticated";r=0;t=23',
    'ratelimit-policy': '"authenticated";q=100;w=60, "principal";q=100;w=60',
  },
};

const exampleOf = (error: unknown, fields?: readonly ProblemField[]): { value: Problem } => {
  const refusal = refusalOf(error);
  return { value: problemOf(fields ? { ...refusal, fields } : refusal, TRACE_ID) };
};

/** Documents such as the service sends, made as it makes them (API-3); by name, for `examples` of OpenAPI. */
export function problemExamples(code: ProblemCode): Record<string, { value: Problem }> {
  if (code === 'internal_error') return { internal_error: exampleOf(undefined) };
  if (!isOfDomain(code)) return { [code]: exampleOf(new HttpError(code)) };
  const [detail, fields = []] = REFUSALS[code];
  const error = new DomainError(code, detail, { fields });
  if (code !== 'validation_failed') return { [code]: exampleOf(error) };
  return {
    validation_failed: exampleOf(error),
    validation_failed_parameter: exampleOf(error, [BAD_PARAMETER]),
  };
}

const isOfDomain = (code: ErrorCode | HttpErrorCode): code is ErrorCode => Object.hasOwn(REFUSALS, code);
