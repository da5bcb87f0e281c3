import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { apiKeyFormat } from '#src/adapters/outbound/api-key/format.ts';
import { postgresApiKeys } from '#src/adapters/outbound/postgres/api-keys.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { FoundKey } from '#src/application/access/ports.ts';
import { UsageError } from '#src/composition/command-line.ts';
import { commands } from '#src/composition/commands.ts';
import { testDatabase } from '../support/database.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

const { urls } = await testDatabase();
const userOf = (role: 'api' | 'worker' | 'readonly'): string => new URL(urls[role]).username;

/** Runs a command line; its database is reached by way of `host`, if one is given. */
async function run(line: string, startTimeout = '0ms', host?: string): Promise<string> {
  const [name = '', ...args] = line.split(' ');
  const at = (text: string): string => {
    const url = new URL(text);
    if (host !== undefined) url.host = host;
    return url.href;
  };
  const output = await commands[name]?.(args, {
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_START_TIMEOUT: startTimeout,
    DRAGONFLY_ADMIN_DATABASE_URL: at(urls.admin),
    DRAGONFLY_OWNER_DATABASE_URL: at(urls.owner),
    DRAGONFLY_API_DATABASE_URL: at(urls.api),
    DRAGONFLY_WORKER_DATABASE_URL: at(urls.worker),
    DRAGONFLY_API_ROLE: userOf('api'),
    DRAGONFLY_WORKER_ROLE: userOf('worker'),
    DRAGONFLY_READONLY_ROLE: userOf('readonly'),
  });
  return output ?? '';
}

describe('[AV-8] a command', () => {
  it.for(['roles', 'migrate up', 'keys create --organization acme --name waiting'])(
    'ends when the server is silent: %s',
    async (line) => {
      const proxy = await tcpProxy(urls.owner);
      proxy.freeze();
      const started = performance.now();
      const work = run(line, '0ms', new URL(proxy.url).host);
      await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(performance.now() - started).toBeLessThan(5000);
      await proxy.close();
    },
  );

  it.for(['migrate up', 'keys create --organization acme --name waiting'])(
    'waits for a server that comes within the time for the start: %s',
    async (line) => {
      const proxy = await tcpProxy(urls.owner);
      await proxy.close();
      const work = run(line, '10s', new URL(proxy.url).host);
      await Promise.race([work, sleep(300)]);
      await proxy.open();
      await expect(work).resolves.not.toBe('');
      await proxy.close();
    },
  );
});

const find = async (key: string): Promise<FoundKey | undefined> =>
  await withPool({ url: urls.api }, 'test', async (pool) => {
    return await postgresApiKeys(pool).find(apiKeyFormat.hash(key) ?? '');
  });

describe('[SEC-5] `keys revoke`', () => {
  it('ends the key of that organisation and name, and no other', async () => {
    const leaked = await run('keys create --organization acme --name leaked');
    const other = await run('keys create --organization acme --name other');
    const stranger = await run('keys create --organization stranger --name leaked --hours 1');
    expect(await run('keys revoke --organization acme --name leaked')).toMatch(/^revoked/);
    expect(await find(leaked)).toBeUndefined();
    expect(await find(other)).toMatchObject({ expiresAt: expect.any(Number) });
    const { expiresAt = Number.NaN } = (await find(stranger)) ?? {};
    expect(Math.abs(expiresAt - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  it.for(['--organization nobody --name leaked', '--organization acme --name none'])(
    'fails when there is no live key: %s',
    async (names) => {
      await run('keys create --organization acme --name some');
      await expect(run(`keys revoke ${names}`)).rejects.toThrow('has no live key');
    },
  );

  it.for(['keys', 'keys revoke', 'keys revoke --organization acme', 'keys revoke --name x --hours 1'])(
    '`%s` is a usage error',
    async (line) => {
      await expect(run(line)).rejects.toBeInstanceOf(UsageError);
    },
  );
});

it('webhook-secret refuses the name of an organisation, which would give a secret that fits none', async () => {
  await expect(run('webhook-secret --organization acme')).rejects.toThrow(UsageError);
});
