import { describe, expect, it } from 'vitest';
import { breakingChanges, overdueOperations } from '../../../scripts/contract/breaking-changes.ts';
import { parseContract } from '../../../scripts/contract/document.ts';
import { at } from './at.ts';
import { COMMITTED } from './document.ts';

type Change = (document: object) => unknown;

const TODAY = '2026-11-21';
const QUEUE_JOB = '/paths/~1v1~1jobs/post';
const LIST_JOBS = '/paths/~1v1~1jobs/get';
const NEW_JOB = `${QUEUE_JOB}/requestBody/content/application~1json/schema`;
const JOB = '/components/schemas/Job';
const JOB_TYPES = '/paths/~1v1~1job-types/get';

const set =
  (pointer: string, value: unknown): Change =>
  (document) =>
    (at(document, pointer.slice(0, pointer.lastIndexOf('/')))[
      pointer.slice(pointer.lastIndexOf('/') + 1).replaceAll('~1', '/')
    ] = structuredClone(value));
const remove =
  (pointer: string): Change =>
  (document) =>
    delete at(document, pointer.slice(0, pointer.lastIndexOf('/')))[
      pointer.slice(pointer.lastIndexOf('/') + 1).replaceAll('~1', '/')
    ];
const push =
  (pointer: string, item: unknown): Change =>
  (document) =>
    (at(document, pointer) as unknown as unknown[]).push(item);
const drop =
  (pointer: string, item: unknown): Change =>
  (document) => {
    const items = at(document, pointer) as unknown as unknown[];
    items.splice(items.indexOf(item), 1);
  };
const all =
  (...changes: readonly Change[]): Change =>
  (document) => {
    for (const change of changes) change(document);
  };

const changed = (...changes: readonly Change[]) => {
  const document = JSON.parse(COMMITTED) as object;
  all(...changes)(document);
  return parseContract(JSON.stringify(document));
};
const faultsOf = (change: Change, released: Change[] = []): string[] =>
  breakingChanges(changed(...released), changed(...released, change), TODAY);

const sunset = (day: string): Change[] => [set(`${JOB_TYPES}/x-sunset`, day)];
const parameter = (name: string, required: boolean) => ({
  in: 'query',
  name,
  required,
  schema: { type: 'string' },
});

describe('[API-1] what breaks a client of a release is found:', () => {
  it.for<[string, Change, string, Change[]?]>([
    [
      'a path that is gone',
      remove('/paths/~1v1~1job-types'),
      'GET /v1/job-types: is gone without a deprecation before',
    ],
    ['an operation that is gone', remove(LIST_JOBS), 'GET /v1/jobs: is gone without a deprecation before'],
    [
      'one that is gone too early',
      remove(JOB_TYPES),
      'GET /v1/job-types: is gone before its sunset on 2026-11-22',
      sunset('2026-11-22'),
    ],
    [
      'an earlier sunset',
      set(`${JOB_TYPES}/x-sunset`, '2027-01-31'),
      'GET /v1/job-types: has its sunset on 2027-01-31, before 2027-02-01',
      sunset('2027-02-01'),
    ],
    [
      'another operation id',
      set(`${LIST_JOBS}/operationId`, 'findJobs'),
      'GET /v1/jobs: has another operation id, which clients are made from: not listJobs',
    ],
    [
      'a key where none was needed',
      set('/paths/~1health/get/security', [{ apiKey: [] }]),
      'GET /health: does not let in anybody any more, but apiKey',
    ],
    [
      'another key in all places',
      set(`${LIST_JOBS}/security`, [{ apiKey: [], signature: [] }]),
      'GET /v1/jobs: does not let in apiKey any more, but apiKey with signature',
    ],
    [
      'another scope of a key',
      set(`${LIST_JOBS}/security`, [{ apiKey: ['jobs:read'] }]),
      'GET /v1/jobs: does not let in apiKey any more, but apiKey jobs:read',
    ],
    [
      'a key that is sent elsewhere',
      set('/components/securitySchemes/apiKey', { type: 'apiKey', in: 'header', name: 'x-key' }),
      ': has another security scheme apiKey',
    ],
    [
      'a parameter that is gone',
      (document) => (at(document, `${LIST_JOBS}/parameters`) as unknown as unknown[]).shift(),
      'GET /v1/jobs: does not accept the query parameter type any more',
    ],
    [
      'a new parameter that is needed',
      push(`${LIST_JOBS}/parameters`, parameter('region', true)),
      'GET /v1/jobs: needs the query parameter region now',
    ],
    [
      'a parameter that is needed now',
      set(`${LIST_JOBS}/parameters/0/required`, true),
      'GET /v1/jobs: needs the query parameter type now',
    ],
    [
      'a value of a parameter that is gone',
      drop(`${LIST_JOBS}/parameters/1/schema/enum`, 'failed'),
      'GET /v1/jobs: query parameter status: / does not accept "failed" any more',
    ],
    [
      'another default',
      set(`${LIST_JOBS}/parameters/4/schema/default`, 10),
      'GET /v1/jobs: query parameter limit: / has another default: 50 became 10',
    ],
    [
      'a lower maximum',
      set(`${LIST_JOBS}/parameters/4/schema/maximum`, 20),
      'GET /v1/jobs: query parameter limit: / has another maximum: 100 became 20',
    ],
    [
      'a higher minimum',
      set(`${LIST_JOBS}/parameters/4/schema/minimum`, 5),
      'GET /v1/jobs: query parameter limit: / has another minimum: 1 became 5',
    ],
    [
      'a new pattern',
      set(`${LIST_JOBS}/parameters/5/schema/pattern`, '^[a-z]+$'),
      'GET /v1/jobs: query parameter cursor: / has another pattern: none became "^[a-z]+$"',
    ],
    [
      'a body where none was needed',
      set('/paths/~1v1~1jobs~1{id}~1retry/post/requestBody', { required: true, content: {} }),
      'POST /v1/jobs/{id}/retry: needs a body now',
    ],
    [
      'a body that is not taken any more',
      remove(`${QUEUE_JOB}/requestBody`),
      'POST /v1/jobs: takes no body any more',
    ],
    [
      'another media type of a body',
      set(`${QUEUE_JOB}/requestBody/content`, { 'application/xml': {} }),
      'POST /v1/jobs: body: cannot be application/json any more',
    ],
    [
      'a new field that is required',
      all(set(`${NEW_JOB}/properties/region`, { type: 'string' }), push(`${NEW_JOB}/required`, 'region')),
      'POST /v1/jobs: body: /region is required now',
    ],
    [
      'a field that is required now',
      push(`${NEW_JOB}/required`, 'priority'),
      'POST /v1/jobs: body: /priority is required now',
    ],
    [
      'a field that is refused now',
      remove(`${NEW_JOB}/properties/unique_key`),
      'POST /v1/jobs: body: /unique_key is not accepted any more',
    ],
    [
      'a field of another type',
      set(`${NEW_JOB}/properties/priority`, { type: 'string' }),
      'POST /v1/jobs: body: /priority does not accept the type integer any more',
    ],
    [
      'a field that was free and has a type now',
      set(`${NEW_JOB}/properties/payload`, { type: 'object' }),
      'POST /v1/jobs: body: /payload does not accept any type any more',
    ],
    [
      'a null that is refused now',
      set(`${NEW_JOB}/properties/unique_key`, { type: 'string' }),
      'POST /v1/jobs: body: /unique_key does not accept the type null any more',
      [set(`${NEW_JOB}/properties/unique_key`, { type: ['string', 'null'] })],
    ],
    [
      'unknown fields that are refused now',
      set(`${NEW_JOB}/additionalProperties`, false),
      'POST /v1/jobs: body: / does not accept other fields any more',
      [remove(`${NEW_JOB}/additionalProperties`)],
    ],
    [
      'a fault far inside of a list',
      push(
        '/paths/~1v1~1jobs~1batch/post/requestBody/content/application~1json/schema/properties/jobs/items/required',
        'run_at',
      ),
      'POST /v1/jobs/batch: body: /jobs/*/run_at is required now',
    ],
    [
      'a keyword that is not understood here',
      set(`${NEW_JOB}/dependentRequired`, { priority: ['run_at'] }),
      'POST /v1/jobs: body: / has another dependentRequired: none became {"priority":["run_at"]}',
    ],
    [
      'an answer that is gone',
      remove(`${QUEUE_JOB}/responses/201`),
      'POST /v1/jobs: does not answer 201 any more',
    ],
    [
      'another media type of an answer',
      set(`${QUEUE_JOB}/responses/201/content`, { 'application/xml': {} }),
      'POST /v1/jobs: answer 201: cannot be application/json any more',
    ],
    [
      'a header that is gone',
      remove('/components/responses/RateLimited/headers/retry-after'),
      'answer 429: has no header retry-after any more',
    ],
    [
      'a field of an answer that is gone',
      all(remove(`${JOB}/properties/result`), drop(`${JOB}/required`, 'result')),
      `/result is gone`,
    ],
    [
      'a field of an answer that can be missing',
      drop(`${JOB}/required`, 'trace_id'),
      '/trace_id can be missing now',
    ],
    [
      'a field of an answer that can be null now',
      set(`${JOB}/properties/trace_id/type`, ['string', 'null']),
      '/trace_id can be of the type null now',
    ],
    [
      'a new value of an answer',
      push(`${JOB}/properties/status/enum`, 'paused'),
      '/status can be "paused" now',
    ],
    [
      'another format of an answer',
      set(`${JOB}/properties/created_at/format`, 'date'),
      '/created_at has another format: "date-time" became "date"',
    ],
    [
      'a field of a problem that is gone',
      all(
        remove('/components/schemas/Problem/properties/code'),
        drop('/components/schemas/Problem/required', 'code'),
      ),
      'answer 404: /code is gone',
    ],
  ])('%s', ([, change, fault, released]) => {
    expect(faultsOf(change, released).join('\n')).toContain(fault);
  });

  it('and said once, with every operation that has it', () => {
    const faults = faultsOf(drop(`${JOB}/required`, 'trace_id'));
    expect(faults).toEqual([
      'GET /v1/jobs: answer 200: /jobs/*/trace_id can be missing now',
      'POST /v1/jobs, GET /v1/jobs/{id}, POST /v1/jobs/{id}/cancel, POST /v1/jobs/{id}/retry: answer 200: /trace_id can be missing now',
      'POST /v1/jobs: answer 201: /trace_id can be missing now',
      'POST /v1/jobs/batch: answer 201: /jobs/*/trace_id can be missing now',
    ]);
  });
});

describe('[API-1] what breaks nobody passes:', () => {
  it.for<[string, Change, Change[]?]>([
    ['nothing', () => {}],
    ['other words', set(`${QUEUE_JOB}/summary`, 'Other words')],
    ['another example', remove(`${QUEUE_JOB}/requestBody/content/application~1json/example`)],
    ['a new path', set('/paths/~1v2~1jobs', { get: { operationId: 'listJobs2', responses: {} } })],
    ['a deprecation', all(set(`${LIST_JOBS}/deprecated`, true), set(`${LIST_JOBS}/x-sunset`, '2027-11-21'))],
    ['an operation that is gone after its sunset', remove(JOB_TYPES), sunset('2026-11-21')],
    ['no key needed any more', set(`${LIST_JOBS}/security`, [])],
    ['a second way in', set(`${LIST_JOBS}/security`, [{ token: ['jobs:read'] }, { apiKey: [] }])],
    ['a new parameter', push(`${LIST_JOBS}/parameters`, parameter('region', false))],
    ['a parameter that may be missing', set('/paths/~1v1~1jobs~1{id}/get/parameters/0/required', false)],
    ['a new field of a request', set(`${NEW_JOB}/properties/region`, { type: 'string' })],
    ['a field that may be missing', drop(`${NEW_JOB}/required`, 'payload')],
    ['a wider type of a request', set(`${NEW_JOB}/properties/priority/type`, 'number')],
    ['one more type of a request', set(`${NEW_JOB}/properties/unique_key/type`, ['null', 'string'])],
    [
      'a choice of a request',
      set(`${NEW_JOB}/properties/run_at`, {
        anyOf: [
          { type: 'string', format: 'date' },
          { type: 'string', format: 'date-time' },
        ],
      }),
    ],
    ['a higher maximum', set(`${NEW_JOB}/properties/priority/maximum`, 1000)],
    ['no least length', remove(`${NEW_JOB}/properties/type/minLength`)],
    ['a new value of a request', push(`${LIST_JOBS}/parameters/1/schema/enum`, 'paused')],
    [
      'a new field of an answer',
      all(set(`${JOB}/properties/region`, { type: 'string' }), push(`${JOB}/required`, 'region')),
    ],
    ['a value that is not answered any more', drop(`${JOB}/properties/status/enum`, 'cancelled')],
    ['a null that is not answered any more', set(`${JOB}/properties/last_error/type`, 'string')],
    [
      'a choice of an answer that is made',
      set(`${JOB}/properties/started_at`, { type: 'string', format: 'date-time' }),
    ],
    ['a new code of problems', push('/components/schemas/Problem/properties/code/enum', 'teapot')],
    ['a refusal that is gone', remove(`${QUEUE_JOB}/responses/415`)],
    ['a new refusal', set(`${QUEUE_JOB}/responses/418`, { description: 'No coffee.' })],
    [
      'a schema that has got a name',
      all(
        (document) => set('/components/schemas/NewJob', at(document, NEW_JOB))(document),
        set(NEW_JOB, { $ref: '#/components/schemas/NewJob', description: 'A new job.' }),
      ),
    ],
  ])('%s', ([, change, released]) => {
    expect(faultsOf(change, released)).toEqual([]);
  });
});

const tree = (leaf: object): Change =>
  all(
    set('/components/schemas/Tree', {
      type: 'object',
      properties: { leaf, children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } } },
    }),
    set(`${NEW_JOB}/properties/payload`, { $ref: '#/components/schemas/Tree' }),
  );

it('[API-1] a schema that has itself inside is compared to its end', () => {
  expect(faultsOf(tree({ type: 'string' }), [tree({ type: 'string' })])).toEqual([]);
  expect(faultsOf(tree({ type: 'string' }), [tree({ type: 'integer' })])).toEqual([
    'POST /v1/jobs: body: /payload/leaf does not accept the type integer any more',
  ]);
});

it('[API-2] an operation whose sunset has come is told of', () => {
  expect(overdueOperations(changed(...sunset('2026-11-22')), TODAY)).toEqual([]);
  expect(overdueOperations(changed(...sunset('2026-11-21')), TODAY)).toEqual([
    'GET /v1/job-types: its sunset on 2026-11-21 has come; remove it or move the day',
  ]);
});

it('a reference to nothing is an error', () => {
  expect(() => changed(remove(JOB))).toThrow('There is no #/components/schemas/Job.');
});
