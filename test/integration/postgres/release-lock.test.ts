import { withReleaseLock } from '#src/adapters/outbound/postgres/release-lock.ts';
import { testDatabase } from '#test/support/database.ts';
import { until } from '#test/support/until.ts';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';

const database = await testDatabase();
const none = (): void => {};

describe('[DEP-4] the lock of a release', () => {
  const lock = { url: database.urls.owner, env: 'staging' };

  it('is one for each environment, and free again afterwards', async () => {
    await withReleaseLock(lock, none, async () => {
      await expect(withReleaseLock(lock, none, async () => await Promise.resolve())).rejects.toThrow(
        /^Another release or rollback of staging .*: from \S+ since 2.*pg_terminate_backend\(\d+\)/,
      );
      await withReleaseLock({ ...lock, env: 'prod' }, none, async () => await Promise.resolve());
    });
    await withReleaseLock(lock, none, async () => await Promise.resolve());
  });

  it('tells who holds it when its connection is gone', async () => {
    const losses: Error[] = [];
    const admin = new Client({ connectionString: database.urls.admin });
    await admin.connect();
    await withReleaseLock(
      lock,
      (error) => losses.push(error),
      async () => {
        await admin.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'dragonfly-release'",
        );
        await until(() => expect(losses.length).toBeGreaterThan(0));
      },
    );
    await admin.end();
    expect(losses[0]?.message).toContain('broke');
  });
});
