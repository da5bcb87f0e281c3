import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';

/** Texts that have hurt parsers, databases, loggers and shells. */
const TEXTS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\uD800',
  '\uDFFF\uD800',
  '\uFEFF',
  '\u202E',
  'é'.normalize('NFD'),
  '💥'.repeat(60),
  'x'.repeat(101),
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  'toString',
  'null',
  'NaN',
  '-0',
  '1e400',
  '0x10',
  '9223372036854775808',
  "' or 1=1 --",
  '$1',
  '\\',
  '"',
  '\r\nx-injected: 1',
  '../../../../etc/passwd',
  '%00',
  '%zz',
  '{{7*7}}',
  '${7*7}',
  'infinity',
  '0000-00-00T00:00:00Z',
  '2026-02-30T08:00:00Z',
  '2026-11-21T08:00:00.123456789123Z',
  '+275760-09-13T00:00:00.000Z',
  'javascript:alert(1)',
  'http://user:pass@127.0.0.1:1/',
  'http://[::1',
];

const NUMBERS = [0, -0, -1, 0.5, 101, -101, 1e21, 1e308, 5e-324, 2 ** 31, 2 ** 53, -(2 ** 63)];

export const hostileText: Arbitrary<string> = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

export const hostileValue: Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(...NUMBERS, null, true, false, [], {}, [[]], { length: 3 }),
  fc
    .constantFrom('__proto__', 'constructor', 'prototype', '', 'a/b~c', '\0')
    .map((key) => Object.fromEntries([[key, { polluted: true }]])),
  fc.jsonValue({ maxDepth: 4 }),
);

/** A good value with one fault: a member too many, too few, or of another kind, on any level. */
export const nearly = (good: Arbitrary<unknown>): Arbitrary<unknown> =>
  fc.tuple(good, hostileValue, fc.noBias(fc.nat()), hostileText).map(([value, fault, where, name]) => {
    return withFault(value, fault, where, name);
  });

function withFault(value: unknown, fault: unknown, where: number, name: string): unknown {
  if (typeof value !== 'object' || value === null) return fault;
  const members = Object.entries(value);
  const chosen = members[where % (members.length + 1)];
  if (!chosen) return Array.isArray(value) ? [...value, fault] : { ...value, [name]: fault };
  const [key, member] = chosen;
  const rest = Math.floor(where / (members.length + 1));
  if (Array.isArray(value)) return value.toSpliced(Number(key), 1, withFault(member, fault, rest, name));
  const others = Object.fromEntries(members.filter(([other]) => other !== key));
  return rest % 3 === 0 ? others : { ...others, [key]: withFault(member, fault, rest, name) };
}

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** Bodies that are no JSON, or JSON as no client would write it. */
const BODIES = [
  '',
  ' ',
  'null',
  '0',
  '[]',
  '{}',
  '{',
  '{"type":',
  '{"type":"webhook.deliver","type":1,"payload":{}}',
  '{"jobs":[{"type":"webhook.deliver","payload":{}}],"jobs":[]}',
  '{"__proto__":{"type":"webhook.deliver"},"payload":{}}',
  '{"constructor":{"prototype":{"type":"webhook.deliver"}}}',
  '{"type":"webhook.deliver","payload":{"__proto__":{"admin":true}}}',
  '{"type":"\\u0000","payload":"\\ud800"}',
  '{"type":"webhook.deliver","payload":1e400,"priority":1e400}',
  `{"type":"webhook.deliver","payload":{},"priority":${'9'.repeat(400)}}`,
  `{"type":"webhook.deliver","payload":${deep(63)}}`,
  `{"type":"webhook.deliver","payload":${deep(5000)}}`,
  '{"a":NaN}',
  "{'type':'webhook.deliver'}",
  '{"type":"webhook.deliver",}',
  '/**/{}',
  '\uFEFF{}',
  '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
  'type=webhook.deliver&payload={}',
];

export const hostileBody: Arbitrary<string | Buffer> = fc.oneof(
  fc.constantFrom(...BODIES),
  fc.constant('x'.repeat(2000)),
  hostileValue.map((value) => JSON.stringify(value)),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
);

const SEGMENTS = [
  'v1',
  'V1',
  'v2',
  'jobs',
  'batch',
  'queues',
  'workers',
  'job-types',
  'health',
  'readyz',
  'metrics',
  'docs',
  'static',
  'json',
  'index.html',
  '..',
  '.',
  '',
  '%2e%2e',
  '%2e%2e%2f',
  '..%5c',
  '%00',
  '%zz',
  '%c0%af',
  '%ed%a0%80',
  '%',
  ':id',
  '*',
  ';a=b',
  '__proto__',
  'constructor',
  '.env',
  '.git',
  'etc/passwd',
  '\xff',
  'a'.repeat(1000),
];

/** What can stand in the first line of a request at all. */
const inUrl = (text: string): string => text.replaceAll(/[^\x21-\xff]/g, '');

const TOO_LONG = `/v1/jobs/${'a'.repeat(1000)}`;

export const hostilePath: Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof(fc.constantFrom(...SEGMENTS), hostileText.map(encodeURIComponentOr)), { maxLength: 5 }),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant('') },
      hostileText.map((text) => `?${inUrl(text)}`),
    ),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([segments, query, chance]) => `${chance === 0 ? TOO_LONG : `/${inUrl(segments.join('/'))}`}${query}`);

/** Encoded as a browser does it, or as it is where there is no encoding. */
export function encodeURIComponentOr(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80';
}

export const hostileMethod: Arbitrary<string> = fc.constantFrom(
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'PURGE',
  'BREW',
);

/** Without what a client may not say or would frame a message with: test/e2e/attacks-framing.test.ts. */
export const hostileHeader: Arbitrary<readonly [string, string]> = fc.tuple(
  fc.constantFrom(
    'accept',
    'accept-encoding',
    'access-control-request-method',
    'cookie',
    'forwarded',
    'host',
    'if-none-match',
    'idempotency-key',
    'origin',
    'range',
    'traceparent',
    'x-trace-id',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-http-method-override',
    '__proto__',
    'constructor',
    'x-x',
  ),
  fc.oneof(
    fc.constantFrom(
      '*/*',
      'application/json',
      'text/html',
      'https://evil.test',
      'null',
      '127.0.0.1, ::1, 10.0.0.1',
      'DELETE',
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      '00-00000000000000000000000000000000-0000000000000000-00',
      '0af7651916cd43dd8448eb211c80319c',
      'x'.repeat(4000),
    ),
    hostileText.map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')),
  ),
);

export const hostileContentType: Arbitrary<string> = fc.constantFrom(
  '',
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-16',
  'application/jsonx',
  'application/json, text/plain',
  'json',
  ';',
  '/',
  '\xff',
);
