import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { PROGRAMS, installation } from './backup/setup.ts';

const version = PROGRAMS
  ? Number.parseInt(
      execFileSync(join(PROGRAMS.server, 'postgres'), ['--version'], { encoding: 'utf8' }).replace(/\D+/, ''),
      10,
    )
  : 0;
/** Of 8 KiB each: as few as PostgreSQL allows. */
const PAGES = 64;

// Before 17 the notifications of a server cannot be made few: they are 8 GiB.
it.runIf(version >= 17)(
  '[Q-3] queues jobs although the notifications of the server are full, and leaves waking to whoever can',
  async () => {
    const server = await installation([`max_notify_queue_pages=${PAGES}`]);
    await server.run('migrate', 'up');
    const url = server.url.replace(/postgres$/, 'app');
    const connected = async (): Promise<Client> => {
      const client = new Client({ connectionString: url });
      await client.connect();
      onTestFinished(async () => await client.end());
      return client;
    };
    const queueJob = async () =>
      await server.sql(`select to_wake from ops.queue_jobs('[{"type": "t", "payload": 1}]')`);
    const idle = await connected();
    await idle.query(`listen ops_job_ready; select ops.set_idle('{t}', true)`);
    expect(await queueJob()).toEqual([{ to_wake: false }]);

    // Who listens and is within a transaction keeps all that is said from then on.
    const silent = await connected();
    await silent.query('listen anything');
    await silent.query('begin');
    const flood = async (): Promise<void> => {
      for (let n = 0; n < 2 * PAGES; n += 1)
        await idle.query(`select pg_notify('anything', rpad('${n}', 7900))`);
    };
    await expect(flood()).rejects.toMatchObject({ code: '54000' });
    expect(await queueJob()).toEqual([{ to_wake: true }]);
    await expect(server.sql(`select ops.wake('{t}')`)).rejects.toMatchObject({ code: '54000' });
    const depth = `select coalesce(sum(depth), 0)::integer as n from ops.queue_stats()`;
    expect(await server.sql(depth)).toEqual([{ n: 2 }]);

    await silent.query('rollback');
    await silent.query('select 1');
    expect(await queueJob()).toEqual([{ to_wake: false }]);
  },
);
