import { STATUS_CODES } from 'node:http';
import type { FastifySchema, RouteOptions } from 'fastify';
import { z } from 'zod';
import { describeDeprecation } from './plugins/deprecation.ts';
import { KEY, takesKey } from './plugins/idempotency.ts';
import { PROBLEM_TYPES, type ProblemCode } from './problems/problems.ts';
import { noBody } from './schemas/no-body.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** The problems that an operation can answer with, until openapi-document.ts makes responses of them. */
    'x-problems'?: readonly ProblemCode[];
  }
}

/** What any request can end with, as they are found before any route is looked at or after all went wrong. */
const OF_THE_SERVER: readonly ProblemCode[] = [
  'request_malformed',
  'request_timeout',
  'headers_too_large',
  'internal_error',
];
const OF_THE_API: readonly ProblemCode[] = [
  ...OF_THE_SERVER,
  'unauthenticated',
  'permission_denied',
  'not_acceptable',
  'rate_limited',
  'overloaded',
  'answer_timeout',
  'database_unavailable',
];

const OF_A_KEY: readonly ProblemCode[] = [
  'idempotency_key_invalid',
  'idempotency_key_in_use',
  'idempotency_answer_not_kept',
  'idempotency_key_reused',
];
const KEY_HEADER = z.object({
  'Idempotency-Key': z
    .string()
    .regex(KEY)
    .optional()
    .meta({
      description:
        'Chosen by the client, a UUID for example. For 24 hours the same request with the same key is done once, and answered as it was then.',
      examples: ['6f1e2d0c-5b8a-4c63-9d0e-7a4f3b2c1d90'],
    }),
});

/** Adds what follows from a route's policy: whether it needs a key and can be done at most once, its deprecation, and the problems it can answer with. */
export function documentOperation(schema: FastifySchema, route: RouteOptions): FastifySchema {
  if (schema.hide) return schema;
  return {
    ...schema,
    // No body is nothing to describe.
    body: schema.body === noBody ? undefined : schema.body,
    ...(takesKey(route) && { headers: KEY_HEADER }),
    ...describeDeprecation(schema, route.config?.deprecation),
    security: route.config?.permission === undefined ? [] : [{ apiKey: [] }],
    response: describe(schema.response as Record<string, object>),
    'x-problems': problemsOf(schema, route).toSorted(byStatus),
  };
}

function problemsOf(schema: FastifySchema, route: RouteOptions): ProblemCode[] {
  const { config } = route;
  if (config?.permission === undefined) return [...OF_THE_SERVER];
  const codes: ProblemCode[] = [...OF_THE_API, ...(config.refusals ?? [])];
  if (schema.body) codes.push('body_too_large', 'media_type_unsupported');
  if (schema.params) codes.push('url_too_long');
  if (schema.body || schema.params || schema.querystring) codes.push('validation_failed');
  if (takesKey(route)) codes.push(...OF_A_KEY);
  return codes;
}

const byStatus = (a: ProblemCode, b: ProblemCode): number =>
  PROBLEM_TYPES[a].status - PROBLEM_TYPES[b].status;

const describe = (responses: Readonly<Record<string, object>>) =>
  Object.fromEntries(
    Object.entries(responses).map(([status, schema]) => [
      status,
      status === '204'
        ? schema
        : { description: STATUS_CODES[status], content: { 'application/json': { schema } } },
    ]),
  );
