import { newApiKey } from '#src/adapters/outbound/api-key/format.ts';
import type { Operation } from '#test/support/contract.ts';
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { fromSchema } from './from-schema.ts';
import {
  encodeURIComponentOr,
  hostileBody,
  hostileContentType,
  hostileHeader,
  hostileMethod,
  hostilePath,
  hostileText,
  hostileValue,
  nearly,
} from './hostile.ts';

/** A request as it goes over the wire. */
export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
}

/** What only the running service knows, for requests that reach something. */
export interface Known {
  readonly key: string;
  readonly jobIds: readonly string[];
  readonly cursors: readonly string[];
  /** A job as a client asks for it, by the schema of the payload of its type. */
  readonly job: Arbitrary<unknown>;
  /** The same with a fault in its payload, which only the use case sees. */
  readonly faultyJob: Arbitrary<unknown>;
}

const usually = <T>(usual: Arbitrary<T>, odd: Arbitrary<T>, weight = 9): Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });

const NO_HEADERS: readonly (readonly [string, string])[] = [];

const oddCredentials: Arbitrary<string | undefined> = fc.constantFrom(
  undefined,
  '',
  'Bearer',
  'Bearer dfk_short',
  'Basic dXNlcjpwYXNzd29yZA==',
  'Bearer a b',
  `Bearer ${newApiKey().key}`,
  `Bearer ${'x'.repeat(4000)}`,
);

/** Requests for an operation: each part is usually as it should be, so most reach the use case, and odd now and then. */
export function requestsFor(operation: Operation, known: Known): Arbitrary<FuzzRequest> {
  return fc
    .record({
      method: usually(fc.constant(operation.method), hostileMethod, 30),
      path: usually(pathOf(operation, known), hostilePath, 30),
      query: queryOf(operation, known),
      idempotencyKey: usually(fc.constant(undefined), fc.oneof(fc.uuid(), fc.constantFrom('a', 'b', 'c'))),
      credentials: usually(fc.constant(`Bearer ${known.key}`), oddCredentials),
      headers: usually(fc.constant(NO_HEADERS), fc.array(hostileHeader, { maxLength: 4 }), 3),
      contentType: usually(fc.constant('application/json'), hostileContentType, 20),
      body: bodyOf(operation, known),
    })
    .map(({ method, path, query, idempotencyKey, credentials, headers, contentType, body }) => ({
      method,
      path: `${path}${query === '' || path.includes('?') ? '' : `?${query}`}`,
      headers: {
        ...Object.fromEntries(headers),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        ...(credentials !== undefined && { authorization: credentials }),
        ...(body !== undefined && { 'content-type': contentType }),
      },
      body,
    }));
}

const NOTHING: Operation = {
  id: 'nothing',
  method: 'GET',
  path: '/v1/nothing',
  parameters: [],
  body: undefined,
  example: undefined,
  answers: new Map(),
};

/** Requests for nothing that there is, and for what a server should not have. */
export const requestsForNothing = (known: Known): Arbitrary<FuzzRequest> =>
  fc
    .tuple(requestsFor(NOTHING, known), hostilePath)
    .map(([request, path]) => Object.assign(request, { path }));

function pathOf({ path, parameters }: Operation, { jobIds }: Known): Arbitrary<string> {
  const usual: Readonly<Record<string, Arbitrary<string>>> = {
    id: usually(fc.constantFrom(...jobIds), fc.uuid()),
    type: fc.constant('webhook.deliver'),
  };
  const values = parameters
    .filter((parameter) => parameter.in === 'path')
    .map(({ name, schema }) => {
      const valid = fromSchema(schema).map(String);
      return [name, usually(usual[name] ?? valid, fc.oneof(valid, hostileText))] as const;
    });
  return fc
    .record(Object.fromEntries(values))
    .map((chosen) =>
      path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponentOr(chosen[name] ?? '')),
    );
}

/** Of other operations, of none, and of none that an object should have. */
const UNKNOWN_NAMES = ['limit', 'status', 'foo', '__proto__'];

function queryOf({ parameters }: Operation, { cursors }: Known): Arbitrary<string> {
  const values = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) => {
      const valid = name === 'cursor' ? fc.constantFrom(...cursors) : fromSchema(schema).map(String);
      return [name, usually(valid, hostileText, 20)] as const;
    });
  const members = fc.record(Object.fromEntries(values), { requiredKeys: [] });
  const unknown = usually(fc.constant(''), fc.oneof(hostileText, fc.constantFrom(...UNKNOWN_NAMES)), 20);
  return fc.tuple(members, unknown).map(([chosen, extra]) =>
    Object.entries(chosen)
      .map(([name, value]) => `${name}=${encodeURIComponentOr(value ?? '')}`)
      .concat(extra === '' ? [] : [encodeURIComponentOr(extra)])
      .join('&'),
  );
}

function bodyOf(
  { body, method }: Operation,
  { job, faultyJob }: Known,
): Arbitrary<string | Buffer | undefined> {
  if (!body) return usually(fc.constant(undefined), hostileBody, method === 'POST' ? 9 : 30);
  const inBody = (one: Arbitrary<unknown>) =>
    body.properties?.['jobs'] ? fc.array(one, { minLength: 1, maxLength: 3 }).map((jobs) => ({ jobs })) : one;
  const good = inBody(job);
  const near = fc.oneof(nearly(good), nearly(fromSchema(body)), inBody(faultyJob), hostileValue);
  return fc.oneof(
    { weight: 6, arbitrary: good.map((value) => JSON.stringify(value)) },
    { weight: 3, arbitrary: near.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: hostileBody },
  );
}
