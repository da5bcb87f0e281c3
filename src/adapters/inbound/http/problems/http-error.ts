/** Refusals by the protocol itself, which the domain does not know. */
export type HttpErrorCode = keyof typeof DETAILS;

const DETAILS = {
  request_malformed: 'The request is not well-formed HTTP, or its body is not well-formed JSON.',
  route_not_found: 'There is nothing here; see the OpenAPI document for what there is.',
  method_not_allowed: 'This path does not have the method; see the Allow header for those that it has.',
  not_acceptable: 'Answers are JSON. Send `Accept: application/json`, or no Accept header at all.',
  idempotency_key_invalid:
    'Idempotency-Key is 1 to 255 visible ASCII characters without spaces, and is sent once.',
  request_timeout: 'The request took too long to arrive. Send it again.',
  body_too_large: 'The body is larger than this operation accepts; send less at once.',
  url_too_long: 'A part of the path is longer than any that exists.',
  media_type_unsupported: 'Send the body as `Content-Type: application/json`, not compressed.',
  rate_limited: 'Too many requests from this address or with this key. Wait for the seconds in Retry-After.',
  overloaded: 'There is more to do than can be done in time. Come back after the seconds in Retry-After.',
  answer_timeout:
    'The answer took too long. What was asked may have been done; see whether it was before you ask again.',
  headers_too_large: 'The headers are larger than this server accepts.',
} as const;

const CODE_OF_STATUS: Readonly<Record<number, HttpErrorCode>> = {
  404: 'route_not_found',
  413: 'body_too_large',
  414: 'url_too_long',
  415: 'media_type_unsupported',
};

/** Thrown by plugins. Its message says nothing of the request, so that it can be sent and logged as it is. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: HttpErrorCode;

  constructor(code: HttpErrorCode) {
    super(DETAILS[code]);
    this.code = code;
  }
}

/** Our word for a client error that Fastify found; undefined for any other error. */
export function httpErrorOf(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  if (!(error instanceof Error && 'statusCode' in error)) return undefined;
  const status = Number(error.statusCode);
  if (!(status >= 400 && status < 500)) return undefined;
  return new HttpError(CODE_OF_STATUS[status] ?? 'request_malformed');
}
