import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { buildOpsApp } from '#src/adapters/inbound/http/ops-app.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { makeReadiness } from '#src/application/health/readiness.ts';
import { exchange } from '#test/support/raw-http.ts';
import helmet from 'helmet';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { GIT_SHA, JOB, KEY, testApi } from './setup.ts';

type Headers = Readonly<Record<string, string>>;

/** Where ours is not helmet's default, and why. */
const STRICTER: Headers = {
  // Nothing here is a page: nothing may be loaded, where helmet lets a site load its own parts.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  // Nor may anything be framed, where helmet lets a site frame itself.
  'x-frame-options': 'DENY',
};
/** Not ours, and why. */
const WITHOUT = new Set([
  'origin-agent-cluster', // how a browser groups the pages of a site
  'x-dns-prefetch-control', // links of a page
  'x-download-options', // Internet Explorer 8
  'x-permitted-cross-domain-policies', // Flash
  'x-xss-protection', // turns off a filter of pages that no browser has any more
]);
/** Ours alone: answers belong to the one who asked with a key, and no cache may keep them. */
const BEYOND: Headers = { 'cache-control': 'no-store' };

const BY_NODE = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']);
const helmets = await headersOfHelmet();
const WANTED = Object.fromEntries(Object.entries(helmets).filter(([name]) => !WITHOUT.has(name)));
const EXPECTED = { ...WANTED, ...STRICTER, ...BEYOND };

async function headersOfHelmet(): Promise<Headers> {
  const protect = helmet();
  const server = createServer((request, response) => {
    protect(request, response, () => response.end());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const { headers } = await fetch(`http://127.0.0.1:${port}`);
  server.close();
  return Object.fromEntries([...headers].filter(([name]) => !BY_NODE.has(name)));
}

const line = (first: string, ...headers: readonly string[]): string =>
  [first, 'Host: a', 'Connection: close', ...headers, '\r\n'].join('\r\n');
const withKey = `Authorization: Bearer ${KEY}`;
const bomb = 'x'.repeat(20_000);

async function headersAt(url: string, bytes: string): Promise<{ status: number; headers: Headers }> {
  const { answers } = await exchange(url, bytes);
  expect(answers).toHaveLength(1);
  return answers[0] ?? { status: 0, headers: {} };
}

describe('[SEC-14] the headers are those of helmet that an API needs, or stricter, on', () => {
  it.for([
    ['a success', line(`GET /v1/jobs/${JOB.id} HTTP/1.1`, withKey), 200],
    ['a HEAD', line(`HEAD /v1/jobs/${JOB.id} HTTP/1.1`, withKey), 200],
    ['an OPTIONS', line('OPTIONS /v1/jobs HTTP/1.1'), 204],
    ['a preflight', line('OPTIONS /v1/jobs HTTP/1.1', 'Origin: https://a.example'), 204],
    ['a probe', line('GET /health HTTP/1.1'), 200],
    ['400 of the parser', 'HELO\r\n\r\n', 400],
    ['400 of the router', line('GET /%zz HTTP/1.1', withKey), 400],
    ['401', line('GET /v1/jobs HTTP/1.1'), 401],
    ['404', line('GET /nowhere HTTP/1.1'), 404],
    ['405', line('DELETE /v1/jobs HTTP/1.1', withKey), 405],
    ['414 of the parser', line(`GET /${bomb} HTTP/1.1`), 414],
    ['431 of the parser', line('GET /health HTTP/1.1', `X-Bomb: ${bomb}`), 431],
  ] as const)('%s', async ([, bytes, status]) => {
    const { app } = await testApi({ options: { corsOrigins: ['https://a.example'] } });
    const answer = await headersAt(await app.listen({ host: '127.0.0.1', port: 0 }), bytes);
    expect(answer).toMatchObject({ status, headers: EXPECTED });
    expect(answer.headers).not.toHaveProperty('x-powered-by');
  });

  it.for([
    ['GET /metrics', 200],
    ['GET /health', 200],
    ['GET /nowhere', 404],
    ['HELO', 400],
  ] as const)('the listener of the metrics: %s', async ([request, status]) => {
    const logger = createLogger({ level: 'error', service: 'test', gitSha: GIT_SHA }, { write: () => {} });
    const readiness = makeReadiness({ checks: [], timeoutMs: 100, onChange: () => {} });
    const registry = new Registry();
    const app = await buildOpsApp(
      { gitSha: GIT_SHA, metricsTokens: () => undefined },
      { readiness, logger, registry, security: createSecurityLog(registry, logger) },
    );
    onTestFinished(() => app.close());
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    expect(await headersAt(url, line(`${request} HTTP/1.1`))).toMatchObject({ status, headers: EXPECTED });
  });

  it('the page of the contract, but for what a page needs, and nowhere else', async () => {
    const { app } = await testApi({ options: { docs: true } });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const { 'content-security-policy': policy, 'cache-control': _, ...always } = EXPECTED;
    for (const path of ['/docs/', '/docs/static/index.css', '/docs/json']) {
      const { headers, status } = await headersAt(url, line(`GET ${path} HTTP/1.1`));
      expect({ status, headers }).toMatchObject({ status: 200, headers: always });
    }
    const page = (await headersAt(url, line('GET /docs/ HTTP/1.1'))).headers['content-security-policy'];
    expect(page).toContain("default-src 'self'");
    expect(page).toContain("frame-ancestors 'none'");
    expect(page).not.toMatch(/unsafe|\*/);
    for (const path of ['/v1/jobs', '/nowhere', '/docsx']) {
      const { headers } = await headersAt(url, line(`GET ${path} HTTP/1.1`));
      expect(headers['content-security-policy']).toBe(policy);
    }
  });
});

it('[SEC-14] names no difference from helmet that is none, and has no header that is not compared', () => {
  for (const name of WITHOUT) expect(helmets).toHaveProperty(name);
  for (const [name, value] of Object.entries(STRICTER)) expect(helmets[name]).not.toBe(value);
  for (const name of Object.keys(BEYOND)) expect(helmets).not.toHaveProperty(name);
  expect(SECURITY_HEADERS).toEqual(EXPECTED);
});
