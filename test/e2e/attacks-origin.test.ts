import { describe, expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { exchange } from '#test/support/raw-http.ts';
import { type ServiceProcess, dragonfly } from '#test/support/service-process.ts';

const ORIGIN = 'https://app.example.com';
const LIMIT = 3;

const database = await testDatabase();
const environment = {
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: String(LIMIT),
  DRAGONFLY_CORS_ORIGINS: ORIGIN,
};
const service = dragonfly(database, environment);

/** The statuses of so many requests without a key, each with the next of the forwarded addresses. */
async function ask(api: ServiceProcess, count: number, forwarded: (n: number) => string): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const response = await fetch(`${api.apiUrl}/v1/workers`, {
      headers: { 'x-forwarded-for': forwarded(n) },
    });
    statuses.push(response.status);
  }
  return statuses;
}
const refused = Array.from({ length: LIMIT }, () => 401);

describe('[SEC-9] a client that says it is many is limited as one', () => {
  it('when no proxy is trusted', async () => {
    const api = await service.serve('api');
    expect(await ask(api, LIMIT + 2, (n) => `203.0.113.${n}`)).toEqual([...refused, 429, 429]);
    const forwarded = [
      'Forwarded: for=203.0.113.9',
      'X-Real-IP: 203.0.113.9',
      'X-Client-IP: 203.0.113.9',
      'CF-Connecting-IP: 203.0.113.9',
    ];
    for (const line of forwarded) {
      const { answers } = await exchange(
        api.apiUrl,
        `GET /v1/workers HTTP/1.1\r\nHost: a\r\n${line}\r\nConnection: close\r\n\r\n`,
      );
      expect(answers[0]?.status).toBe(429);
    }
  });

  it('when another network is trusted', async () => {
    const api = await service.serve('api', { DRAGONFLY_TRUSTED_PROXIES: '10.0.0.0/8' });
    expect(await ask(api, LIMIT + 1, (n) => `203.0.113.${n}`)).toEqual([...refused, 429]);
  });

  it('when it writes addresses before the one that the trusted proxy saw', async () => {
    const api = await service.serve('api', { DRAGONFLY_TRUSTED_PROXIES: '127.0.0.0/8' });
    expect(await ask(api, LIMIT + 1, (n) => `198.51.100.${n}, 127.0.0.9, 203.0.113.1`)).toEqual([
      ...refused,
      429,
    ]);
    expect(await ask(api, 1, () => '203.0.113.2')).toEqual([401]);
  });

  it('when it is behind a trusted proxy and has a network of IPv6 to itself', async () => {
    const api = await service.serve('api', { DRAGONFLY_TRUSTED_PROXIES: '127.0.0.0/8' });
    expect(await ask(api, LIMIT + 1, (n) => `2001:db8:1:2:${n}::1`)).toEqual([...refused, 429]);
    expect(await ask(api, 1, () => '2001:db8:1:3::1')).toEqual([401]);
  });

  it('when what it says is no address', async () => {
    const api = await service.serve('api', { DRAGONFLY_TRUSTED_PROXIES: '127.0.0.0/8' });
    for (const address of [
      'not-an-address',
      '999.1.1.1',
      '::ffff:x',
      "' or 1=1",
      '127.0.0.1',
      ',',
      '[::1]:80',
      '0x7f.1',
    ]) {
      expect((await ask(api, 1, () => address))[0]).toBeLessThan(500);
    }
    expect((await fetch(`${api.apiUrl}/health`)).status).toBe(200);
    expect(api.logged('unhandled exception')).toEqual([]);
  });
});

describe('[SEC-10] a foreign origin may not read', async () => {
  const api = await service.serve('api', { DRAGONFLY_RATE_LIMIT_ANONYMOUS: '1000' });
  const asking = async (headers: Record<string, string>, method = 'GET') => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const request = `${method} /v1/workers HTTP/1.1\r\nHost: a\r\n${lines.join('')}Connection: close\r\n\r\n`;
    const { answers } = await exchange(api.apiUrl, request);
    return answers[0]?.headers ?? {};
  };

  it.for([
    'null',
    'https://app.example.com.evil.test',
    'https://evil.test/https://app.example.com',
    'https://app.example.com@evil.test',
    'https://appXexample.com',
    'https://sub.app.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'HTTPS://APP.EXAMPLE.COM',
    `${ORIGIN}, https://evil.test`,
    '*',
    '',
  ])('%j', async (origin) => {
    for (const method of ['GET', 'OPTIONS', 'POST']) {
      const headers = await asking({ origin, 'access-control-request-method': 'POST' }, method);
      expect(headers).not.toHaveProperty('access-control-allow-origin');
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
    }
  });

  it('but the listed one may, without credentials, and caches are told', async () => {
    const headers = await asking({ origin: ORIGIN });
    expect(headers).toMatchObject({ 'access-control-allow-origin': ORIGIN, vary: 'Origin' });
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it('and a preflight promises no method that no route can have, and no header beyond the contract', async () => {
    const headers = await asking(
      {
        origin: ORIGIN,
        'access-control-request-method': 'TRACE',
        'access-control-request-headers': 'x-evil',
      },
      'OPTIONS',
    );
    expect(headers['access-control-allow-methods']).not.toContain('TRACE');
    expect(headers['access-control-allow-headers']).not.toContain('x-evil');
  });
});
