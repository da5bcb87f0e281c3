import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { httpCaller } from '#src/adapters/outbound/http-client/caller.ts';
import type { Finding } from '#src/application/checks/finding.ts';
import type { SmokeTarget } from '#src/application/smoke/round.ts';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { smoke } from '#src/application/smoke/smoke.ts';
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Break, breakingProxy } from '../support/breaking-proxy.ts';
import { testDatabase } from '../support/database.ts';
import { dragonfly } from '../support/service-process.ts';
import { testClient, testService } from '../support/service.ts';

const SHA = '5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e';
const OTHER_SHA = '0ddba110ddba110ddba110ddba110ddba110ddba';
const ORIGIN = 'https://app.example.com';

const database = await testDatabase();
const service = await testService(database, ['api', 'worker'], {
  DRAGONFLY_GIT_SHA: SHA,
  DRAGONFLY_CORS_ORIGINS: ORIGIN,
});
const { key } = await testClient(database, service.apiUrl, 'smoke', 'service');
const viewer = await testClient(database, service.apiUrl, 'smoke', 'viewer');
const api = await breakingProxy(service.apiUrl);
const metrics = await breakingProxy(service.metricsUrl);
const http = httpCaller();
afterAll(async () => await http.close());
afterEach(() => {
  api.breakBy();
  metrics.breakBy();
});

const TARGET: SmokeTarget = {
  url: api.url,
  metricsUrl: metrics.url,
  sha: SHA,
  key,
  allowedOrigin: ORIGIN,
  securityHeaders: SECURITY_HEADERS,
};

const LONGEST_PAUSE_MS = 100;

/** A clock on which a pause is as long as it is meant to be, and is over soon. */
function quickClock() {
  let slept = 0;
  return {
    now: () => performance.now() + slept,
    async sleep(ms: number) {
      slept += ms;
      await sleep(Math.min(ms, LONGEST_PAUSE_MS));
    },
  };
}

const run = async (
  target: Partial<SmokeTarget> = {},
  waitMs = 0,
  progress: (text: string) => void = () => {},
) =>
  await smoke({ ...TARGET, ...target }, waitMs, {
    http,
    clock: quickClock(),
    nonce: randomUUID(),
    progress,
  });

const not = (severity: Finding['severity'], findings: readonly Finding[]): string[] =>
  findings.filter((finding) => finding.severity !== severity).map(({ check }) => check);
const red = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity === 'critical').map(({ check }) => check);

const when =
  (path: string | RegExp, change: Break): Break =>
  (answer, request) => {
    if (typeof path === 'string' ? request.path === path : path.test(request.path)) change(answer, request);
  };
const inDocument = (path: string | RegExp, from: string | RegExp, to: string): Break =>
  when(path, (answer) => {
    answer.body = answer.body.replace(from, to);
  });
const NOT_FOUND = /no-path/;
const JOB = /^\/v1\/jobs\/./;

describe('[DEP-3] a smoke test', () => {
  it('finds nothing wrong with a deployment that is as it should be, one job included', async () => {
    const findings = await run();
    expect(not('ok', findings)).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      'liveness',
      'readiness',
      'sha',
      'cors-denied',
      'cors-allowed',
      'latency',
      'problem-not-found',
      'problem-unauthorized',
      'security-headers',
      'metrics',
      'job',
    ]);
  });

  it('says what it could not look at', async () => {
    const findings = await run({ sha: undefined, key: undefined, allowedOrigin: undefined });
    expect(not('ok', findings)).toEqual(['sha', 'cors-allowed', 'job']);
    expect(red(findings)).toEqual([]);
    expect(not('ok', await run({ allowedOrigin: null }))).toEqual([]);
  });

  it.each<[string, string, Break]>([
    ['liveness', 'is 500', when('/health', (answer) => (answer.status = 500))],
    ['liveness', 'is a page of somebody else', when('/health', (answer) => (answer.body = '<html>'))],
    ['readiness', 'is 503', when('/readyz', (answer) => (answer.status = 503))],
    ['readiness', 'says not ready with 200', inDocument('/readyz', '"ready"', '"not_ready"')],
    ['sha', 'is missing', ({ headers }) => (headers['x-dragonfly-sha'] = undefined)],
    ['sha', 'is that of another release', ({ headers }) => (headers['x-dragonfly-sha'] = OTHER_SHA)],
    [
      'sha',
      'is that of another release on one answer of many',
      when(NOT_FOUND, ({ headers }) => (headers['x-dragonfly-sha'] = OTHER_SHA)),
    ],
    [
      'cors-denied',
      'is granted to any origin on a preflight',
      ({ headers }, { method }) => {
        if (method === 'OPTIONS') headers['access-control-allow-origin'] ??= '*';
      },
    ],
    [
      'cors-denied',
      'is granted to whoever asks',
      ({ headers }, { headers: { origin } }) => {
        if (origin !== ORIGIN) headers['access-control-allow-origin'] = origin;
      },
    ],
    [
      'cors-allowed',
      'is not granted on a preflight',
      ({ headers }, { method }) => {
        if (method === 'OPTIONS') headers['access-control-allow-origin'] = undefined;
      },
    ],
    [
      'cors-allowed',
      'is not granted on an error',
      when('/v1/jobs', ({ headers }, { method }) => {
        if (method === 'GET') headers['access-control-allow-origin'] = undefined;
      }),
    ],
    [
      'cors-allowed',
      'is granted to read only',
      ({ headers }) => (headers['access-control-allow-methods'] &&= 'GET'),
    ],
    ['latency', 'is more than 500 ms', when(NOT_FOUND, (answer) => (answer.delayMs = 600))],
    ['problem-not-found', 'is a page', when(NOT_FOUND, (answer) => (answer.body = '<html>404</html>'))],
    ['problem-not-found', 'is 200', when(NOT_FOUND, (answer) => (answer.status = 200))],
    [
      'problem-not-found',
      'is of another type',
      when(NOT_FOUND, ({ headers }) => (headers['content-type'] = 'application/json')),
    ],
    ['problem-not-found', 'has no code', inDocument(NOT_FOUND, '"code"', '"kode"')],
    ['problem-not-found', 'has no type', inDocument(NOT_FOUND, '"type"', '"tipe"')],
    ['problem-not-found', 'has no trace id', inDocument(NOT_FOUND, '"trace_id"', '"trace"')],
    ['problem-not-found', 'says another status', inDocument(NOT_FOUND, '"status":404', '"status":500')],
    [
      'problem-unauthorized',
      'is 200: everybody may read',
      when('/v1/jobs', (answer, { method }) => {
        if (method === 'GET') answer.status = 200;
      }),
    ],
    ['problem-unauthorized', 'has no trace id', inDocument('/v1/jobs', /"trace_id":"\w+"/, '"trace_id":"-"')],
    [
      'security-headers',
      'are missing on one answer',
      when('/health', ({ headers }) => (headers['x-content-type-options'] = undefined)),
    ],
    [
      'security-headers',
      'are weakened',
      ({ headers }) => (headers['strict-transport-security'] = 'max-age=0'),
    ],
    ['job', 'never ends', inDocument(JOB, '"completed"', '"processing"')],
    ['job', 'fails', inDocument(JOB, '"completed"', '"failed"')],
    ['job', 'has the result of another one', inDocument(JOB, /"message":"[^"]+"/, '"message":"-"')],
    ['job', 'cannot be found again', when(JOB, (answer) => (answer.status = 404))],
  ])('is red when %s %s', async (check, _, change) => {
    api.breakBy(change);
    expect(red(await run())).toEqual([check]);
  });

  it('is red when metrics are not', async () => {
    metrics.breakBy((answer) => (answer.status = 404));
    expect(red(await run())).toEqual(['metrics']);
    metrics.breakBy((answer) => (answer.body = '<html>'));
    expect(red(await run())).toEqual(['metrics']);
  });

  it('is red in every respect when nothing answers, and says why', async () => {
    const findings = await run({ url: 'http://127.0.0.1:9', metricsUrl: undefined });
    expect(not('critical', findings)).toEqual([]);
    expect(findings[0]?.summary).toContain('ECONNREFUSED');
  });

  it('is red with a key that may not queue, and names the permissions', async () => {
    const findings = await run({ key: viewer.key });
    expect(red(findings)).toEqual(['job']);
    expect(findings.at(-1)?.summary).toContain('the key needs jobs:queue and jobs:read');
  });

  it('is not fooled by degraded dependencies, and does not fail for them', async () => {
    api.breakBy(inDocument('/readyz', '"ok"', '"degraded"'));
    expect(not('ok', await run())).toEqual(['readiness']);
  });
});

describe('[DEP-3] a smoke test that waits', () => {
  it('looks at the probes until the release answers, and then around', async () => {
    let left = 5;
    const before = api.requests.length;
    api.breakBy(({ headers }) => {
      if ((left -= 1) > 0) headers['x-dragonfly-sha'] = OTHER_SHA;
    });
    const told: string[] = [];
    expect(not('ok', await run({}, 60_000, (text) => told.push(text)))).toEqual([]);
    expect(told[0]).toContain('does not answer yet');
    const paths = api.requests.slice(before, before + 4).map(({ path }) => path);
    expect(paths).toEqual(['/health', '/readyz', '/health', '/readyz']);
  });

  it('wants all to be well at once: a replica of before among new ones is not enough', async () => {
    let rounds = 0;
    api.breakBy(
      when(NOT_FOUND, ({ headers }) => {
        if ((rounds += 1) < 3) headers['x-dragonfly-sha'] = OTHER_SHA;
      }),
    );
    expect(not('ok', await run({}, 60_000))).toEqual([]);
    expect(rounds).toBe(3);
  });

  it('ends with what it found last', async () => {
    api.breakBy(when('/readyz', (answer) => (answer.status = 503)));
    const before = api.requests.length;
    expect(red(await run({}, 20_000))).toEqual(['readiness']);
    expect(api.requests.length - before).toBeLessThan(20);
  });

  it('pauses for as long as it is asked to', async () => {
    let limited = true;
    const told: string[] = [];
    api.breakBy(
      when(NOT_FOUND, (answer) => {
        if (limited)
          Object.assign(answer, { status: 429, headers: { ...answer.headers, 'retry-after': '42' } });
        limited = false;
      }),
    );
    expect(not('ok', await run({}, 60_000, (text) => told.push(text)))).toEqual([]);
    expect(told).toContainEqual(expect.stringContaining('in 42 s'));
  });

  it('queues one job, though its first request is lost', async () => {
    let lost = false;
    api.breakBy(
      when('/v1/jobs', (answer, { method }) => {
        if (method === 'POST' && !lost) answer.status = 502;
        lost ||= method === 'POST';
      }),
    );
    const before = api.requests.filter(({ method }) => method === 'POST').length;
    expect(not('ok', await run())).toEqual([]);
    const posts = api.requests.filter(({ method }) => method === 'POST').slice(before);
    expect(posts).toHaveLength(2);
    expect(posts[0]?.headers['idempotency-key']).toBe(posts[1]?.headers['idempotency-key']);
  });
});

describe('[DEP-3] dragonfly smoke', () => {
  const { run } = dragonfly(database);

  it('exits by what it found, with the key of a file, in production too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'smoke-'));
    onTestFinished(async () => await rm(folder, { recursive: true }));
    const file = join(folder, 'key');
    await writeFile(file, `${key}\n`);
    const base = ['smoke', '--url', service.apiUrl, '--sha', SHA, '--env', 'prod', '--wait', '0s'];
    const exit = async (...more: string[]) => await run([...base, ...more], { DRAGONFLY_ENV: undefined });

    const whole = await exit('--allowed-origin', ORIGIN, '--key-file', file, '--strict', '--json');
    expect(JSON.parse(whole.stdout)).toMatchObject({ status: 'pass' });
    expect(whole.code).toBe(0);
    expect(await exit()).toMatchObject({ code: 0 });
    expect(await exit('--strict')).toMatchObject({ code: 1 });
    expect(await exit('--allowed-origin', 'https://evil.example')).toMatchObject({ code: 1 });
  });

  it.each([
    [['--url', 'ftp://a.example'], '--url: where the service is'],
    [[], '--url: where the service is'],
    [['--url', 'https://a.example', '--sha', 'abc'], '--sha: the full hash'],
    [['--url', 'https://a.example', '--wait', 'long'], '--wait: a duration'],
    [['--url', 'https://a.example', '--allowed-origin', 'app'], '--allowed-origin: an origin'],
    [['--url', 'https://a.example', '--key-file', '/nowhere/key'], '--key-file: /nowhere/key is not there'],
  ])('refuses %s', async (args, message) => {
    const refused = invoke(['smoke', ...args], {});
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(message);
  });
});
