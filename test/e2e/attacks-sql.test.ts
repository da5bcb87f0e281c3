import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type JsonSchema, type Operation, operations, pathOf } from '#test/support/contract.ts';
import { testDatabase } from '#test/support/database.ts';
import { queueWebhook, webhookTo } from '#test/support/jobs.ts';
import { rowsOf } from '#test/support/rows.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';

const database = await testDatabase();
const service = await dragonfly(database).serve('api');
const acme = await testClient(database, service.apiUrl);
const stranger = await testClient(database, service.apiUrl, 'stranger');
await queueWebhook(stranger, 'https://stranger.example');

/** A sleep of a minute would meet the time-out of a statement, which is a 503. One is without spaces, one is a URL, too. */
const SQL = [
  `x'); drop table public.api_key; --`,
  `x');drop/**/table/**/ops.job/**/cascade;--`,
  `' or '1'='1`,
  `' union select payload::text from ops.job --`,
  `\\'; select ops.pause_queue('webhook.deliver'); --`,
  `$1::text; select pg_sleep(60); --`,
  `https://a.example/'||(select/**/pg_sleep(60))||'?a=%27`,
];

const types = (await (await acme.request('GET', '/v1/job-types')).json()) as {
  readonly job_types: readonly { readonly type: string; readonly payload: JsonSchema }[];
};
const payload = types.job_types.find(({ type }) => type === 'webhook.deliver')?.payload;

/** Where a schema lets a client send a text: `put` gives a value that has it there. */
interface Place {
  readonly at: string;
  put(value: unknown, text: string): unknown;
}

/** What may be any JSON may be a text. */
function placesIn(schema: JsonSchema, at = ''): Place[] {
  switch (schema.type) {
    case undefined:
    case 'string':
      return [{ at, put: (_, text) => text }];
    case 'array':
      return placesIn(schema.items ?? {}, `${at}/0`).map(({ at, put }) => ({
        at,
        put: (value, text) => [put((value as readonly unknown[] | undefined)?.[0], text)],
      }));
    case 'object':
      return [
        ...Object.entries(schema.properties ?? {}).flatMap(([name, member]) => placesOf(name, member, at)),
        ...(typeof schema.additionalProperties === 'object'
          ? [
              ...placesOf('x-name', schema.additionalProperties, at),
              {
                at: `${at}/{name}`,
                put: (value: unknown, text: string) => ({ ...(value as object), [text]: 'x' }),
              },
            ]
          : []),
      ];
    default:
      return [];
  }
}

const placesOf = (name: string, schema: JsonSchema, at: string): Place[] =>
  placesIn((name === 'payload' && payload) || schema, `${at}/${name}`).map(({ at, put }) => ({
    at,
    put: (value, text) => ({
      ...(value as object),
      [name]: put((value as Readonly<Record<string, unknown>> | undefined)?.[name], text),
    }),
  }));

interface Field {
  readonly name: string;
  ask(text: string): Promise<Response>;
}

/** Headers that mean the same to every operation, so one stands for all: it stores the trace id. */
const EVERYWHERE = ['X-Trace-Id', 'traceparent', 'tracestate', 'User-Agent', 'Origin', 'X-Forwarded-For'];
const headersOf = (id: string) =>
  id === 'queueJob'
    ? EVERYWHERE.map((name) => ({ in: 'header', name, schema: { type: 'string' } as const }))
    : [];

/** A job that has the unique key of the example is there after the first request. */
const withoutUniqueKey = (example: unknown): unknown =>
  JSON.parse(JSON.stringify(example), (name, value: unknown) => (name === 'unique_key' ? undefined : value));

/** Each text of an operation, in a request that is good else. */
function fieldsOf(operation: Operation): Field[] {
  const { id, method, parameters, body } = operation;
  const example = operation.example && withoutUniqueKey(operation.example);
  const request = async (path: string, value: unknown, headers?: Readonly<Record<string, string>>) =>
    await acme.request(method, path, value, headers);
  return [
    ...[...parameters, ...headersOf(id)]
      .filter(({ schema }) => schema.type === 'string')
      .map(({ in: place, name }) => ({
        name: `${name} in the ${place} of ${id}`,
        ask: async (text: string) => {
          const path = pathOf(operation, place === 'path' ? { [name]: text } : {});
          const query = place === 'query' ? `?${new URLSearchParams({ [name]: text }).toString()}` : '';
          return await request(path + query, example, place === 'header' ? { [name]: text } : {});
        },
      })),
    ...(body ? placesIn(body) : []).map(({ at, put }) => ({
      name: `${at} in the body of ${id}`,
      ask: async (text: string) => await request(pathOf(operation), put(example, text)),
    })),
  ];
}

/** Every text in a value, the names of members too. */
const textsIn = (value: unknown): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) => [name].concat(textsIn(member)))
    : [String(value)];

const fields = operations.filter(({ path }) => path.startsWith('/v1/')).flatMap(fieldsOf);
const theirs = await rowsOf(database, stranger.organizationId);
const secrets = [
  stranger.organizationId,
  'stranger',
  ...Object.values(theirs)
    .flat()
    .map(({ id }) => id),
].filter((text) => typeof text === 'string');

describe('[SEC-13] [SEC-11] SQL in a text is a text', () => {
  const stored = new Set<string>();

  it.for(fields)('$name', async ({ name, ask }) => {
    for (const text of SQL) {
      const response = await ask(text);
      const answer = await response.text();
      expect([text, response.status, answer]).toEqual([
        text,
        expect.toSatisfy((status: number) => status < 500),
        answer,
      ]);
      for (const secret of secrets) expect(answer).not.toContain(secret);
      if (response.status >= 300 || !name.includes('body')) continue;
      const rows = Object.values(await rowsOf(database, acme.organizationId)).flat();
      const written = rows.filter(({ id }) => typeof id === 'string' && answer.includes(id));
      expect(textsIn(written)).toContain(text);
      stored.add(name);
    }
    // Its tables are the keys: none is gone.
    expect(await rowsOf(database, stranger.organizationId)).toEqual(theirs);
  });

  it('and is stored wherever any text may be', () => {
    const free = ['/unique_key', '/payload/url', '/payload/body', '/payload/headers/x-name'];
    expect([...stored].toSorted()).toEqual(
      [
        '/name in the body of createApiKey',
        ...free.map((at) => `${at} in the body of queueJob`),
        ...free.map((at) => `/jobs/0${at} in the body of queueJobs`),
      ].toSorted(),
    );
  });

  it('also in an Idempotency-Key, whose second request is answered like the first', async () => {
    for (const text of SQL.filter((sql) => !sql.includes(' '))) {
      const headers = { 'idempotency-key': text + randomUUID(), 'x-trace-id': text };
      const first = await acme.request('POST', '/v1/jobs', webhookTo('https://a.example'), headers);
      const second = await acme.request('POST', '/v1/jobs', webhookTo('https://a.example'), headers);
      expect([first.status, second.status]).toEqual([201, 201]);
      expect(await second.text()).toBe(await first.text());
    }
  });
});
