import { describe, expect, it, onTestFinished } from 'vitest';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { setUp } from './setup.ts';

const { database, owner, names, options } = await setUp();
const environment = {
  DRAGONFLY_ENV: 'dev',
  DRAGONFLY_ADMIN_DATABASE_URL: database.urls.admin,
  DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
  DRAGONFLY_API_ROLE: options.roles.api,
  DRAGONFLY_WORKER_ROLE: options.roles.worker,
  DRAGONFLY_READONLY_ROLE: options.roles.readonly,
};
const run = async (line: string, more: Record<string, string> = {}) =>
  await invoke(line.split(' '), { ...environment, ...more });
const json = async (line: string): Promise<unknown> =>
  JSON.parse((await run(`${line} --json`)).output) as unknown;

const last = names.at(-1) ?? '';

describe('[DATA-1] `migrate`', () => {
  it('status says of each migration when it was applied', async () => {
    const status = names.map((name) => ({ name, appliedAt: expect.stringMatching(/^\d{4}-.*Z$/) }));
    expect(await json('migrate status')).toEqual(status);
  });

  it('up --dry-run shows what would run, and runs nothing', async () => {
    await run('migrate down');
    expect(await json('migrate up --dry-run')).toEqual({
      batches: [{ transactional: true, names: [last] }],
    });
    expect((await run('migrate up --dry-run')).output).toContain(`── ${last}\n-- Owner: `);
    expect((await run('migrate up')).output).toBe(`applied ${last}`);
    expect((await run('migrate up --dry-run')).output).toBe('nothing to do');
  });

  it.for([
    ['migrate new', /DESCRIPTION is missing/],
    ['migrate new ...', /a few words/],
  ] as const)('%s is refused', async ([line, message]) => {
    await expect(run(line)).rejects.toThrow(message);
  });

  it('down is refused in prod', async () => {
    const call = run('migrate down', { DRAGONFLY_ENV: 'prod', DRAGONFLY_GIT_SHA: 'a'.repeat(40) });
    await expect(call).rejects.toThrow(UsageError);
    await expect(call).rejects.toThrow(/new migration/);
  });
});

describe('[DATA-2] [DATA-3] `migrate verify`', () => {
  it('finds nothing in a sound database, in a scratch database neither, which is gone afterwards', async () => {
    const { code, output } = await run('migrate verify --scratch --json');
    const { findings } = JSON.parse(output) as { findings: { check: string; severity: string }[] };
    expect(code).toBe(0);
    expect(findings.map(({ check, severity }) => `${check} ${severity}`).toSorted()).toEqual([
      'migration-lint ok',
      'migrations-known ok',
      'migrations-ordered ok',
      'migrations-pending ok',
      'migrations-round-trip ok',
      'migrations-unchanged ok',
    ]);
    const left = await owner.query(
      `select datname from pg_database where starts_with(datname, current_database() || '_scratch')`,
    );
    expect(left.rows).toEqual([]);
  });

  it('names an applied migration that was changed, and one that this build does not know', async () => {
    await owner.query(`update migration.checksum set sha256 = 'other' where name = $1`, [last]);
    await owner.query(`insert into migration.applied values ('20991231000000_later', now()::text)`);
    onTestFinished(async () => {
      await owner.query(`delete from migration.applied where name = '20991231000000_later'`);
    });
    const { code, output } = await run('migrate verify');
    expect(code).toBe(1);
    expect(output).toContain(`changed after they were applied: ${last}`);
    expect(output).toContain('unknown to this build: 20991231000000_later');
  });
});
