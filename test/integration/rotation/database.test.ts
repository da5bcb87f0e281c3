import { testDatabase } from '#test/support/database.ts';
import { webhookTo } from '#test/support/jobs.ts';
import { type MountedSecret, mountedSecret } from '#test/support/mounted-secret.ts';
import { receiver } from '#test/support/receiver.ts';
import { type ServiceProcess, dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { describe, expect, it } from 'vitest';
import { type Login, filesOf, loadOf, login, newPassword, untilRotated } from './setup.ts';

const API = 'DRAGONFLY_API_DATABASE_URL';
const WORKER = 'DRAGONFLY_WORKER_DATABASE_URL';
const database = await testDatabase();
const service = dragonfly(database, {
  DRAGONFLY_WORKER_LISTEN_PROBE_INTERVAL: '500ms',
  // A busy machine is no failure here.
  DRAGONFLY_SHED_WAIT: '10s',
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '10s',
  DRAGONFLY_DATABASE_STATEMENT_TIMEOUT: '10s',
  DRAGONFLY_READINESS_TIMEOUT: '10s',
  DRAGONFLY_WORKER_ABORT_AFTER: '20s',
  DRAGONFLY_WORKER_DEAD_AFTER: '30s',
});

interface Logins {
  readonly api: Login;
  readonly worker: Login;
}

async function logins(password: string): Promise<Logins> {
  return { api: await login(database, 'api', password), worker: await login(database, 'worker', password) };
}

const contentsOf = ({ api, worker }: Logins, password: string): Record<string, string> => ({
  [API]: api.url(password),
  [WORKER]: worker.url(password),
});

/** A process of both roles under load: requests, and the jobs that they queue. */
async function underLoad(mount: MountedSecret) {
  const { url, received } = await receiver();
  const process = await service.serve('all', filesOf(mount, [API, WORKER]));
  const client = await testClient(database, process.apiUrl);
  const job = webhookTo(url);
  let turn = 0;
  let queued = 0;
  const load = loadOf(async () => {
    turn += 1;
    if (turn % 10 === 0) return await fetch(`${process.apiUrl}/readyz`);
    if (turn % 3 === 0) return await client.request('GET', '/v1/queues');
    queued += 1;
    return await client.request('POST', '/v1/jobs', job);
  });
  load.atATime(2);
  await load.more(20);
  return { process, load, received, queued: () => queued };
}

async function expectUnharmed(
  { process, load, received, queued }: Awaited<ReturnType<typeof underLoad>>,
  passwords: readonly string[],
): Promise<void> {
  await load.more(200);
  await load.stop();
  expect(load.failures).toEqual([]);
  await until(() => {
    expect(received.length).toBe(queued());
  });
  process.child.kill('SIGTERM');
  expect(await process.ended).toMatchObject({ code: 0, stderr: '' });
  const text = JSON.stringify(process.logs());
  for (const password of passwords) expect(text).not.toContain(password);
}

/** But for jobs that other tests left to the worker, whose receivers are gone. */
const troubles = (process: ServiceProcess) =>
  process
    .logs()
    .filter(({ level }) => level === 'WARNING' || level === 'ERROR')
    .filter((line) => line['job_id'] === undefined);

const serving = async ({ api, worker }: Logins): Promise<number[]> => [
  ...(await api.backends()),
  ...(await worker.backends()),
];

describe('[SEC-18] under load no request fails', { timeout: 90_000 }, () => {
  it('when the password of the same role changes, first in the database and then in the file', async () => {
    const [before, after] = [newPassword(), newPassword()];
    const roles = await logins(before);
    const mount = mountedSecret(contentsOf(roles, before));
    const loaded = await underLoad(mount);
    const old = await serving(roles);

    for (const role of Object.values(roles) as Login[]) await role.setPassword(after);
    // More than there are connections for: new ones are refused now.
    loaded.load.atATime(20);
    await loaded.load.more(200);
    mount.swap(contentsOf(roles, after));
    await untilRotated(loaded.process, [API, WORKER]);
    await until(async () => {
      const now = await serving(roles);
      expect(now.length).toBeGreaterThan(2);
      expect(now.filter((pid) => old.includes(pid))).toEqual([]);
    });
    await expectUnharmed(loaded, [before, after]);
    expect(troubles(loaded.process)).toEqual([]);
  });

  it('when another role takes over; the one before may be locked when the line is there', async () => {
    const password = newPassword();
    const [first, second] = [await logins(password), await logins(password)];
    const mount = mountedSecret(contentsOf(first, password));
    const loaded = await underLoad(mount);
    loaded.load.atATime(20);
    await loaded.load.more(100);

    mount.swap(contentsOf(second, password));
    await untilRotated(loaded.process, [API, WORKER]);
    for (const role of Object.values(first) as Login[]) await role.lock();
    await until(async () => {
      expect(await serving(first)).toEqual([]);
    });
    await until(async () => {
      expect(await second.worker.backends()).not.toEqual([]);
    });
    await expectUnharmed(loaded, [password]);
    expect(troubles(loaded.process)).toEqual([]);
  });

  it('when the file has a password that the database does not know yet; it is tried until it does', async () => {
    const [before, after] = [newPassword(), newPassword()];
    const roles = await logins(before);
    const mount = mountedSecret(contentsOf(roles, before));
    const loaded = await underLoad(mount);

    mount.swap(contentsOf(roles, after));
    await until(() => {
      expect(troubles(loaded.process)).toMatchObject(
        [API, WORKER].map((variable) => ({
          level: 'WARNING',
          message: 'secret not accepted, the one before stays in use',
          variable,
          error: { code: '28P01' },
        })),
      );
    });
    loaded.load.atATime(20);
    await loaded.load.more(100);
    for (const role of Object.values(roles) as Login[]) await role.setPassword(after);
    await untilRotated(loaded.process, [API, WORKER]);
    await expectUnharmed(loaded, [before, after]);
    expect(troubles(loaded.process)).toHaveLength(2);
  });
});
