import { DomainError, type ErrorCode } from '#src/domain/errors.ts';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { type HttpErrorCode, httpErrorOf } from './http-error.ts';
import { type ProblemField, domainFields, schemaFields } from './problem-fields.ts';

export type ProblemCode = ErrorCode | HttpErrorCode | 'internal_error';

interface ProblemType {
  readonly status: number;
  readonly title: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The one place that says how a refusal looks in HTTP (API-3). A code's meaning, `type` and status never change. */
export const PROBLEM_TYPES: Readonly<Record<ProblemCode, ProblemType>> = {
  request_malformed: { status: 400, title: 'Malformed request' },
  idempotency_key_invalid: { status: 400, title: 'Invalid idempotency key' },
  unauthenticated: { status: 401, title: 'Not authenticated', headers: { 'www-authenticate': 'Bearer' } },
  permission_denied: { status: 403, title: 'Permission denied' },
  privilege_escalation: { status: 403, title: 'More than your own permissions' },
  api_key_not_found: { status: 404, title: 'No such API key' },
  job_not_found: { status: 404, title: 'No such job' },
  route_not_found: { status: 404, title: 'No such resource' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  not_acceptable: { status: 406, title: 'Not acceptable' },
  request_timeout: { status: 408, title: 'Request not received in time' },
  api_key_name_taken: { status: 409, title: 'Client has a key' },
  api_key_rotating: { status: 409, title: 'Client has two keys' },
  job_not_cancellable: { status: 409, title: 'Job cannot be cancelled' },
  job_not_retryable: { status: 409, title: 'Job cannot be retried' },
  unique_key_taken: { status: 409, title: 'Unique key taken' },
  idempotency_key_in_use: {
    status: 409,
    title: 'Idempotency key in use',
    headers: { 'retry-after': '1' },
  },
  idempotency_answer_not_kept: { status: 409, title: 'Done already, answer not kept' },
  body_too_large: { status: 413, title: 'Body too large' },
  url_too_long: { status: 414, title: 'URL too long' },
  media_type_unsupported: { status: 415, title: 'Unsupported media type' },
  cursor_invalid: { status: 422, title: 'Invalid cursor' },
  idempotency_key_reused: { status: 422, title: 'Idempotency key reused' },
  job_type_unknown: { status: 422, title: 'Unknown job type' },
  payload_invalid: { status: 422, title: 'Invalid payload' },
  validation_failed: { status: 422, title: 'Invalid request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'Headers too large' },
  internal_error: { status: 500, title: 'Internal error' },
  answer_timeout: { status: 503, title: 'Not answered in time', headers: { 'retry-after': '5' } },
  overloaded: { status: 503, title: 'Overloaded', headers: { 'retry-after': '1' } },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    headers: { 'retry-after': '2' },
  },
};

/** What a refusal says, before it belongs to a request. */
export interface Refusal {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly fields: readonly ProblemField[];
}

/** A problem detail of RFC 9457; `errors` as in the "problem details registry" of SmartBear. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly trace_id: string;
  readonly errors?: readonly ProblemField[];
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** @param traceId of the request; a new one where none was begun */
export function problemOf({ code, detail, fields }: Refusal, traceId: string): Problem {
  const { status, title } = PROBLEM_TYPES[code];
  const problem = { type: typeOf(code), title, status, detail, code, trace_id: traceId };
  return fields.length > 0 ? { ...problem, errors: fields } : problem;
}

export const typeOf = (code: ProblemCode): string => `urn:dragonfly:problem:${code.replaceAll('_', '-')}`;

/**
 * What may be said of an error. Whatever is not a refusal by domain, schema or protocol is an `internal_error` of which
 * nothing is said (AV-5).
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof DomainError) {
    return { code: error.code, detail: error.message, fields: domainFields(error.fields) };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const detail = 'The request does not fit the schema of this operation; see errors.';
    return { code: 'validation_failed', detail, fields: schemaFields(error) };
  }
  const httpError = httpErrorOf(error);
  if (httpError) return { code: httpError.code, detail: httpError.message, fields: [] };
  return {
    code: 'internal_error',
    detail: 'Something went wrong on our side. Report the trace id if it happens again.',
    fields: [],
  };
}
