import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLOSE, attackedService, expectProblem, statusesOf } from '#test/support/attacked-service.ts';
import { webhookTo } from '#test/support/jobs.ts';

const { send, get, post, client, process, jobs } = await attackedService();
const json = (body: string): string => post(`Content-Length: ${Buffer.byteLength(body)}\r\n${CLOSE}`, body);
const withoutKey = (target: string, headers = ''): string =>
  `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}${CLOSE}\r\n`;
const ask = (method: string, path: string): string => get(path).replace('GET', method);

describe('[SEC-13] [SEC-14] a line break that a client hides starts no header of ours', () => {
  it.for([
    ['path', get('/v1/%0d%0aX-Injected:%20yes')],
    ['id', get('/v1/jobs/%0d%0aX-Injected:%20yes')],
    ['double encoding', get('/v1/jobs/%250d%250aX-Injected:%20yes')],
    ['query', get('/v1/jobs?cursor=%0d%0aX-Injected:%20yes')],
    ['trace id', get('/v1/workers', `X-Trace-Id: a%0d%0aX-Injected: yes\r\n${CLOSE}`)],
    ['origin', get('/v1/workers', `Origin: https://a%0d%0aX-Injected:yes\r\n${CLOSE}`)],
    ['letters of two bytes', get('/v1/\u560d\u560aX-Injected:yes')],
    ['job type', json(JSON.stringify({ type: 'a\r\nX-Injected: yes', payload: {} }))],
  ] as const)('%s', async ([, bytes]) => {
    const { answers, text } = await send(bytes);
    expect(answers).toHaveLength(1);
    expect(answers[0]?.headers).not.toHaveProperty('x-injected');
    expect(text).not.toMatch(/^x-injected/im);
  });
});

describe('[SEC-13] a body does not reach the prototype of anything', () => {
  it.for([
    ['__proto__', '{"__proto__":{"type":"webhook.deliver"},"type":"a","payload":1}', 400],
    ['__proto__ by escapes', '{"\\u005f\\u005fproto\\u005f\\u005f":{},"type":"a","payload":1}', 400],
    [
      '__proto__ deep inside',
      '{"type":"webhook.deliver","payload":{"url":"https://a.example","body":{"a":[{"__proto__":{"b":1}}]}}}',
      400,
    ],
    ['constructor', '{"constructor":{"prototype":{"polluted":1}},"type":"a","payload":1}', 400],
    ['a type that every object has', '{"type":"constructor","payload":{}}', 422],
    ['a type named __proto__', '{"type":"__proto__","payload":{}}', 422],
    ['an unknown field', '{"type":"webhook.deliver","payload":{},"toString":1}', 422],
  ] as const)('%s', async ([, body, status]) => {
    expect(statusesOf(await send(json(body)))).toEqual([status]);
    expect(statusesOf(await send(get('/v1/workers')))).toEqual([200]);
  });

  it('nor does a query', async () => {
    for (const query of ['__proto__=1', '__proto__[a]=1', 'constructor[prototype][a]=1', 'type[$ne]=1']) {
      const { answers } = await send(get(`/v1/jobs?${query}`));
      expect(answers).toHaveLength(1);
      expectProblem(answers[0], 422, 'validation_failed');
    }
  });
});

describe('[SEC-13] no path leaves the place that serves it', () => {
  const secret = /"dependencies"|DRAGONFLY_|root:|\[core\]/;
  it.for([
    '/../../package.json',
    '/%2e%2e/%2e%2e/package.json',
    '/..%2f..%2f..%2fpackage.json',
    '/..%5c..%5cpackage.json',
    '/....//....//package.json',
    '/%c0%ae%c0%ae/package.json',
    '/%252e%252e%252fpackage.json',
    '//etc/passwd',
    '/index.html%00.js',
    '/..;/..;/package.json',
  ])('%s', async (path) => {
    for (const root of ['', '/docs', '/docs/static', '/v1/jobs']) {
      const { answers, text } = await send(get(`${root}${path}`));
      expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
      expect(answers[0]?.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(text).not.toMatch(secret);
    }
  });

  it('not even to the files beside the page of the contract', async () => {
    const page = await send(get('/docs/static/index.css'));
    expect(statusesOf(page)).toEqual([200]);
    for (const file of ['.env', '.git/config', 'package.json', 'logo.svg/../../package.json']) {
      expect(statusesOf(await send(get(`/docs/static/${file}`)))[0]).toBeGreaterThanOrEqual(400);
    }
    expect(readFileSync('package.json', 'utf8')).toMatch(secret);
  });
});

describe('[SEC-3] [SEC-1] a key counts in its header only', () => {
  it.for([
    ['query', withoutKey(`/v1/workers?api_key=${client.key}&access_token=${client.key}`)],
    ['authorisation of the URL', withoutKey(`http://${client.key}@localhost/v1/workers`)],
    ['cookie', withoutKey('/v1/workers', `Cookie: authorization=${client.key}\r\n`)],
    ['header of another name', withoutKey('/v1/workers', `X-Api-Key: ${client.key}\r\n`)],
    ['other scheme', withoutKey('/v1/workers', `Authorization: Basic ${btoa(`${client.key}:`)}\r\n`)],
    [
      'second header',
      withoutKey('/v1/workers', `Authorization: Bearer x\r\nAuthorization: Bearer ${client.key}\r\n`),
    ],
  ] as const)('%s', async ([, bytes]) => {
    const { answers } = await send(bytes);
    expectProblem(answers[0], 401, 'unauthenticated');
    expect(answers[0]?.headers['www-authenticate']).toBe('Bearer');
    expect(JSON.stringify(process.logs())).not.toContain(client.key);
  });
});

describe('[SEC-3] [API-3] a method that nobody serves does nothing', () => {
  it('CONNECT opens no tunnel', async () => {
    const { answers, ended } = await send(ask('CONNECT', '127.0.0.1:5432'));
    expectProblem(answers[0], 400, 'request_malformed');
    expect(ended).toBe(true);
  });

  it('TRACE gives nothing back of what was sent', async () => {
    const { answers, text } = await send(
      get('/v1/workers', `X-Secret: canary\r\n${CLOSE}`).replace('GET', 'TRACE'),
    );
    expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
    expect(text).not.toMatch(new RegExp(`canary|${client.key}`));
  });

  it.for(['PUT', 'PATCH', 'DELETE', 'PROPFIND', 'MOVE', 'PURGE', 'QUERY', 'LINK'])('%s', async (method) => {
    const before = await jobs();
    const { answers } = await send(ask(method, '/v1/jobs'));
    expectProblem(answers[0], 405, 'method_not_allowed');
    expect(answers[0]?.headers['allow']).toMatch(/^GET, HEAD, .*POST/);
    expect(await jobs()).toBe(before);
  });

  it('BREW is no method at all', async () => {
    const { answers, ended } = await send(ask('BREW', '/v1/jobs'));
    expectProblem(answers[0], 400, 'request_malformed');
    expect(ended).toBe(true);
  });

  it('no header makes another method of it', async () => {
    const override = `X-HTTP-Method-Override: POST\r\nX-Method-Override: POST\r\n${CLOSE}`;
    const before = await jobs();
    expect(statusesOf(await send(get('/v1/jobs?_method=POST', override)))[0]).toBe(422);
    expect(statusesOf(await send(get('/v1/jobs', override)))).toEqual([200]);
    expect(await jobs()).toBe(before);
  });

  it('HEAD has the headers of GET and no body', async () => {
    const [got, asked] = [await send(get('/v1/workers')), await send(ask('HEAD', '/v1/workers'))];
    expect(asked.text).toMatch(/\r\n\r\n$/);
    expect(asked.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(asked.text).toContain(`content-length: ${got.answers[0]?.headers['content-length']}`);
    const missing = await send(ask('HEAD', '/nowhere'));
    expect(missing.text).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\n\r\n$/);
  });
});

it('[SEC-13] what is stored is what was sent, however hostile its text', async () => {
  const text = `'; drop table ops.job; -- \${jndi:ldap://x} {{7*7}} <script>\u202e \u2028`;
  const before = await jobs();
  const queued = await client.request(
    'POST',
    '/v1/jobs',
    webhookTo('https://example.com', { unique_key: text }),
  );
  const again = await client.request(
    'POST',
    '/v1/jobs',
    webhookTo('https://example.com', { unique_key: text }),
  );
  expect([queued.status, again.status]).toEqual([201, 200]);
  expect(await jobs()).toBe(before + 1);
});
