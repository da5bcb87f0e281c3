import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { processStatus } from '#dev/processes.ts';
import { type Guarded, spawnGuarded } from '#dev/servers/guardian.ts';
import { rabbitmq } from '#dev/servers/rabbitmq.ts';
import { redis } from '#dev/servers/redis.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import type { Service } from '#dev/servers/server.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { makePrivateDirectory } from '#dev/servers/unprivileged.ts';
import { testDatabase } from '#test/support/database.ts';
import { processesOf } from '#test/support/processes.ts';
import { describeWithRabbitmq, describeWithRedis } from '#test/support/servers.ts';

const database = await testDatabase();

describe('the database of a test file', () => {
  it.for(['owner', 'api', 'worker', 'readonly'] as const)(
    'lets %s in, and not as superuser',
    async (role) => {
      const client = new Client({ connectionString: database.urls[role] });
      await client.connect();
      const { rows } = await client.query(
        'select rolsuper, rolcreatedb, rolcreaterole, current_database() as name from pg_roles where rolname = current_user',
      );
      await client.end();
      expect(rows).toEqual([
        { rolsuper: false, rolcreatedb: false, rolcreaterole: false, name: database.name },
      ]);
    },
  );
});

describeWithRedis('Redis', (url) => {
  it('keeps a value', async () => {
    const redis = new Redis(url);
    const key = randomUUID();
    await redis.set(key, 'kept', 'PX', 10_000);
    const value = await redis.get(key);
    await redis.quit();
    expect(value).toBe('kept');
  });
});

describeWithRabbitmq('RabbitMQ', (url) => {
  it('hands out a message that it confirmed', async () => {
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('confirmed'));
    await channel.waitForConfirms();
    const message = await channel.get(queue, { noAck: true });
    await connection.close();
    expect(message && message.content.toString()).toBe('confirmed');
  });
});

it('SERVICES=containers takes no program of this machine, whoever asks', async () => {
  vi.stubEnv('SERVICES', 'containers');
  onTestFinished(() => void vi.unstubAllEnvs());
  const startLocal = vi.fn<Service['startLocal']>();
  const container = { ...redis.container, image: '127.0.0.1:1/none' };
  const directory = temporaryDirectory('none');
  await expect(requireServer({ ...redis, container, startLocal }, { directory })).rejects.toThrow(
    /no container engine|127\.0\.0\.1:1/,
  );
  expect(startLocal).not.toHaveBeenCalled();
});

describeWithRabbitmq('a RabbitMQ of a run', () => {
  it('can be stopped while it starts, and nobody hears of it', async () => {
    const unhandled = vi.fn<() => void>();
    process.on('unhandledRejection', unhandled);
    onTestFinished(() => void process.off('unhandledRejection', unhandled));
    const directory = temporaryDirectory('rabbitmq-cut-short');
    const server = await rabbitmq.startLocal({ directory, forTests: true });
    await server?.stop();
    await sleep(100);
    expect(unhandled).not.toHaveBeenCalled();
    expect(existsSync(directory)).toBe(false);
  });
});

describe.runIf(process.platform === 'linux')('a guarded program', () => {
  const directory = temporaryDirectory('guarded');
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const guard = (script: string): Guarded => {
    makePrivateDirectory(directory);
    const program = { program: process.execPath, args: ['--eval', script], env: {}, directory, name: 'node' };
    return spawnGuarded({ ...program, stopSignal: 'TERM', forceSignal: 'KILL' });
  };

  it.for([
    ['that ends when it is asked', 'process.once("SIGTERM", () => setTimeout(() => process.exit(), 50))', 0],
    ['that is deaf', 'process.on("SIGTERM", () => {})', 3000],
  ] as const)('%s ends within 5 s, and nothing of its guardian is left', async ([, script, atLeast]) => {
    const guarded = guard(`${script}; setInterval(() => {}, 1000); process.stdout.write("started")`);
    await vi.waitUntil(() => readFileSync(guarded.log, 'utf8') === 'started');
    const begin = performance.now();
    await guarded.stop();
    expect([...processesOf(directory).values()]).toEqual([]);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(atLeast);
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  it('that ends by itself takes its guardian with it', async () => {
    await guard('').ended;
    expect([...processesOf(directory).values()]).toEqual([]);
  });
});

describe('an embedded PostgreSQL', () => {
  const directory = temporaryDirectory('owned');
  const postmaster = (): number =>
    Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  afterAll(async () => {
    await vi.waitUntil(() => !existsSync(join(directory, 'data', 'postmaster.pid')), { timeout: 5000 });
    rmSync(directory, { recursive: true, force: true });
  });

  it('ends within 5 s of the SIGKILL of its owner, and keeps what was committed', async () => {
    const { owner, url } = await startOwner(directory);
    await query(url, 'create table kept as select 1 as row');
    const pid = postmaster();
    await kill(owner);
    await vi.waitUntil(() => processStatus(pid) === undefined, { timeout: 5000 });
    await expect(query(url, 'select')).rejects.toThrow('ECONNREFUSED');
  });

  it('recovers when the postmaster was killed', async () => {
    const first = await startOwner(directory);
    await query(first.url, 'insert into kept values (2)');
    process.kill(postmaster(), 'SIGKILL');
    await once(first.owner, 'exit');
    const second = await startOwner(directory);
    expect(await query(second.url, 'select row from kept order by row')).toEqual([{ row: 1 }, { row: 2 }]);
    await kill(second.owner);
  });

  it.runIf(process.platform === 'linux')(
    'is replaced when it outlived its owner and its guardian',
    async () => {
      const first = await startOwner(directory);
      const survivor = postmaster();
      const guardian = processStatus(survivor)?.parent ?? 0;
      for (const pid of [...childrenOf(guardian), guardian])
        if (pid !== survivor) process.kill(pid, 'SIGKILL');
      await kill(first.owner);
      const second = await startOwner(directory);
      expect(await query(second.url, 'select row from kept order by row')).toEqual([{ row: 1 }, { row: 2 }]);
      await expect(query(first.url, 'select')).rejects.toThrow('ECONNREFUSED');
      await kill(second.owner);
    },
  );
});

async function startOwner(directory: string): Promise<{ owner: ChildProcess; url: string }> {
  const script = fileURLToPath(new URL('../support/servers-owner.ts', import.meta.url));
  const owner = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void owner.kill('SIGKILL'));
  const [url] = (await once(createInterface(owner.stdout), 'line')) as [string];
  return { owner, url };
}

async function kill(owner: ChildProcess): Promise<void> {
  owner.kill('SIGKILL');
  await once(owner, 'exit');
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<object>(text);
  await client.end();
  return rows;
}

const childrenOf = (parent: number): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && processStatus(pid)?.parent === parent);
