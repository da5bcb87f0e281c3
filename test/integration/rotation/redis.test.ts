import { redis } from '#dev/servers/redis.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { testDatabase } from '#test/support/database.ts';
import { mountedSecret } from '#test/support/mounted-secret.ts';
import { describeWithRedis } from '#test/support/servers.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { filesOf, loadOf, newPassword, untilRotated } from './setup.ts';

const REDIS = 'DRAGONFLY_REDIS_URL';
const database = await testDatabase();
const service = dragonfly(database);

/** A Redis of the calling test's own, and its administrator. */
async function ownRedis() {
  const server = await requireServer(redis, { directory: temporaryDirectory('redis') });
  const admin = new Redis(server.url);
  onTestFinished(async () => {
    admin.disconnect();
    await server.stop();
  });
  const urlAs = (username: string, password: string): string =>
    Object.assign(new URL(server.url), { username, password }).href;
  const setUser = async (user: string, ...rules: readonly string[]): Promise<unknown> =>
    await admin.call('ACL', 'SETUSER', user, ...rules);
  /** What the users of the connections are called. */
  const users = async (): Promise<string[]> =>
    [...String(await admin.client('LIST')).matchAll(/ user=(\S+)/g)].map(([, user]) => user ?? '');
  return { admin, urlAs, setUser, users };
}

describeWithRedis('the credentials of Redis', () => {
  it('[SEC-18] rotate under load without a failed request or a gap in the shared limits', async () => {
    const { urlAs, setUser, users } = await ownRedis();
    const [first, second] = [newPassword(), newPassword()];
    await setUser('one', 'on', `>${first}`, '~*', '+@all');
    const mount = mountedSecret({ [REDIS]: urlAs('one', first) });
    const process = await service.serve('api', filesOf(mount, [REDIS]));
    const client = await testClient(database, process.apiUrl);
    const load = loadOf(async () => await client.request('GET', '/v1/job-types'));
    load.atATime(5);
    await load.more(50);
    expect(await users()).toContain('one');

    // Not known to Redis yet: the connection before stays.
    mount.swap({ [REDIS]: urlAs('two', second) });
    await until(() => {
      expect(process.logged('secret not accepted, the one before stays in use')).toMatchObject([
        { level: 'WARNING', variable: REDIS },
      ]);
    });
    await load.more(50);
    await setUser('two', 'on', `>${second}`, '~*', '+@all');
    await untilRotated(process, [REDIS]);
    await until(async () => {
      const now = await users();
      expect(now).toContain('two');
      expect(now).not.toContain('one');
    });
    await setUser('one', 'off');
    await load.more(100);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(process.logged('rate limits counted in this process only')).toEqual([]);
    const ready = await (await fetch(`${process.metricsUrl}/readyz`)).json();
    expect(ready).toMatchObject({ services: { redis: 'ok' } });
    for (const password of [first, second]) expect(JSON.stringify(process.logs())).not.toContain(password);
  });

  it('[SEC-18] rotate when Redis has one password for all, which replaces the one before', async () => {
    const { admin, urlAs } = await ownRedis();
    const [first, second] = [newPassword(), newPassword()];
    await admin.config('SET', 'requirepass', first);
    const mount = mountedSecret({ [REDIS]: urlAs('', first) });
    const process = await service.serve('api', filesOf(mount, [REDIS]));
    const client = await testClient(database, process.apiUrl);
    const load = loadOf(async () => await client.request('GET', '/v1/job-types'));
    load.atATime(5);
    await load.more(50);
    await admin.config('SET', 'requirepass', second);
    await load.more(50);
    mount.swap({ [REDIS]: urlAs('', second) });
    await untilRotated(process, [REDIS]);
    await load.more(50);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(process.logged('rate limits counted in this process only')).toEqual([]);
  });
});
