import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { describeWithPgBouncer } from '../../support/pgbouncer.ts';
import { setUp } from './setup.ts';

const { database, owner, options, names, write, revertTo } = await setUp();

async function holder(application: string): Promise<number> {
  const client = new Client({ connectionString: database.urls.owner, application_name: application });
  await client.connect();
  client.on('error', () => {});
  onTestFinished(async () => await client.end());
  const { rows } = await client.query<{ pid: number }>(
    'select pg_advisory_lock(5527, 1), pg_backend_pid() as pid',
  );
  return rows[0]?.pid ?? 0;
}

describe('[DATA-1] the migration lock', () => {
  it('is waited for no longer than was said, and the error names who holds it and what to do', async () => {
    const pid = await holder('another runner');
    const started = performance.now();
    const work = migrateToLatest({ ...options, lockTimeoutMs: 600 });
    await expect(work).rejects.toThrow(
      new RegExp(
        `within 0.6 s.*Process ${pid} .*"another runner", role ${new URL(database.urls.owner).username}.*DRAGONFLY_MIGRATION_LOCK_TIMEOUT.*pg_terminate_backend\\(${pid}\\)`,
      ),
    );
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('is there again when its holder has died', async () => {
    const pid = await holder('to be ended');
    const work = migrateToLatest({ ...options, lockTimeoutMs: 20_000 });
    await owner.query('select pg_terminate_backend($1)', [pid]);
    await expect(work).resolves.toEqual({ applied: [] });
  });

  it('is not waited for within a statement: who waits does not stand in the way of a concurrent index', async () => {
    const name = '20991231000000_index';
    await write(
      name,
      '-- Transaction: none\n\ncreate index concurrently if not exists job_by_priority on public.organization (created_at, name);\n',
      'drop index public.job_by_priority;',
    );
    const runs = await Promise.all(Array.from({ length: 4 }, async () => await migrateToLatest(options)));
    expect(runs.flatMap(({ applied }) => applied)).toEqual([name]);
    await revertTo(names.at(-1) ?? '');
  });
});

describeWithPgBouncer('[DATA-1] behind a pooler', database, (through) => {
  it('nothing is migrated, and the error says what to do', async () => {
    const work = migrateToLatest({ ...options, databaseUrl: through(database.urls.api) });
    await expect(work).rejects.toThrow(/direct connection/);
  });
});
