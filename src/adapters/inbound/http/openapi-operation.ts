import { STATUS_CODES } from 'node:http';
import type { jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { FastifySchema, RouteOptions } from 'fastify';
import { PROBLEM_MEDIA_TYPE, PROBLEM_TYPES, type ProblemCode } from './problems/problems.ts';
import { problem } from './schemas/problem.ts';

const ALWAYS: readonly ProblemCode[] = [
  'request_malformed',
  'unauthenticated',
  'not_acceptable',
  'request_timeout',
  'headers_too_large',
  'rate_limited',
  'internal_error',
  'answer_timeout',
  'overloaded',
  'database_unavailable',
];
const WITH_BODY: readonly ProblemCode[] = ['body_too_large', 'media_type_unsupported'];

/** Adds what follows from a route's policy: whether it needs a key, and every problem that it can answer with. */
export function documentOperation(schema: FastifySchema, { config, method }: RouteOptions): FastifySchema {
  if (schema.hide) return schema;
  const successes = describe(schema.response as Record<string, object>);
  if (config?.permission === undefined) return { ...schema, security: [], response: successes };
  const codes = [
    ...ALWAYS,
    ...(method === 'POST' ? WITH_BODY : []),
    ...(schema.body || schema.params || schema.querystring ? (['validation_failed'] as const) : []),
    ...(config.refusals ?? []),
  ];
  return {
    ...schema,
    security: [{ apiKey: [] }],
    response: { ...successes, ...problemResponses(codes) },
  };
}

const describe = (responses: Readonly<Record<string, object>>) =>
  Object.fromEntries(
    Object.entries(responses).map(([status, schema]) => [
      status,
      status === '204'
        ? schema
        : { description: STATUS_CODES[status], content: { 'application/json': { schema } } },
    ]),
  );

function problemResponses(codes: readonly ProblemCode[]) {
  const byStatus = Object.groupBy(codes, (code) => PROBLEM_TYPES[code].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, ofStatus = []]) => [
      status,
      {
        description: ofStatus.map((code) => `\`${code}\``).join(', '),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: problem } },
      },
    ]),
  );
}

type Document = ReturnType<typeof jsonSchemaTransformObject>;

/** Only responses have named schemas; the provider adds each as an input too, to which nothing refers. */
export function withoutInputs(document: Document): Document {
  if (!('components' in document)) return document;
  const schemas = Object.entries(document.components?.schemas ?? {});
  const outputs = Object.fromEntries(schemas.filter(([name]) => !name.endsWith('Input')));
  return { ...document, components: { ...document.components, schemas: outputs } } as Document;
}
