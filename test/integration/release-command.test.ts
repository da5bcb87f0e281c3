import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { postgresDeploymentLog } from '#src/adapters/outbound/postgres/deployment-log.ts';
import { type SqlQuery, query } from '#src/adapters/outbound/postgres/pool.ts';
import { postgresQueueFreeze } from '#src/adapters/outbound/postgres/queue-freeze.ts';
import { releaseMigrations } from '#src/adapters/outbound/postgres/release-migrations.ts';
import { roundTrip } from '#src/adapters/outbound/postgres/round-trip.ts';
import { withScratchDatabase } from '#src/adapters/outbound/postgres/scratch-database.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { MigrationImpact } from '#src/application/migrations/impact.ts';
import type { Deployment } from '#src/application/release/deployment.ts';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { describe, expect, it } from 'vitest';
import { setUp } from './migrations/setup.ts';

const { database, options, write, folder, owner } = await setUp();
const environment = {
  PATH: process.env['PATH'],
  DRAGONFLY_GIT_SHA: 'c'.repeat(40),
  DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
  DRAGONFLY_API_ROLE: options.roles.api,
  DRAGONFLY_WORKER_ROLE: options.roles.worker,
  DRAGONFLY_READONLY_ROLE: options.roles.readonly,
};
const SMOKE_KEY = `dfk_${'a'.repeat(49)}`;
const SHAS = ['a'.repeat(40), 'b'.repeat(40)] as const;
const GITOPS = ['--env', 'dev', '--target', 'gitops', '--url', 'http://x', '--config-file', 'values.yaml'];
const PROCESS = ['--env', 'dev', '--target', 'process', '--process-dir', folder];

const run = async (statement: SqlQuery) =>
  await withPool({ url: database.urls.owner }, 'test', async (pool) => await query(pool, statement));
const log = postgresDeploymentLog(run);
const IMPACT: MigrationImpact = {
  name: '20261128000000_deployments',
  transactional: true,
  compatibility: 'breaks the release before',
  isBreaking: true,
  statements: { 'alter table': 2 },
  objects: ['ops.job'],
  locks: [{ relation: 'ops.job', mode: 'ACCESS EXCLUSIVE', rows: 1200, bytes: 16_384 }],
  unseen: 1,
  loses: 'labels',
  rollback: '20261128000001_rollback_417',
  contractTests: ['test/contract/sql/claim.test.ts'],
};
const released = (gitSha: string, day: number): Deployment => ({
  id: randomUUID(),
  env: 'dev',
  kind: 'release',
  gitSha,
  previousSha: null,
  target: 'process',
  actor: 'somebody',
  startedAt: `2026-11-2${day}T00:00:00Z`,
  endedAt: `2026-11-2${day}T00:20:00Z`,
  status: 'succeeded',
  phases: [
    {
      name: 'smoke',
      status: 'done',
      actor: 'somebody',
      startedAt: '2026-11-20T00:00:00Z',
      endedAt: null,
      summary: '9 looked at',
    },
  ],
  gate: null,
  schema: '20261128000000_deployments',
  migrations: ['20261128000000_deployments'],
  schemaChange: {
    scan: { check: 'advisories', verdict: 'pass', at: '2026-11-20T00:00:00Z' },
    triage: [
      {
        advisory: 'GHSA-aaaa-bbbb-cccc',
        dependency: 'pack',
        reason: 'It is only reached by the tests.',
        plan: 'The next version.',
        approver: 'somebody',
        until: '2026-11-28',
      },
    ],
    impact: [IMPACT],
  },
});

describe('[DEP-4] release --dry-run', () => {
  it('prints the plan in its order, and changes nothing', async () => {
    const { output, code } = await invoke(['release', ...PROCESS, '--dry-run'], environment);
    expect(code).toBe(0);
    const names = output.split('\n').map((line) => line.split(' ')[0]);
    expect(names).toEqual([
      'freeze',
      'hard-gate',
      'soft-gate',
      'migrate',
      'verify',
      'deploy',
      'unfreeze',
      'smoke',
      'watch',
    ]);
    const { rows } = await owner.query(
      'select ops.frozen_since() as frozen, (select count(*)::integer from ops.deployments) as deployments',
    );
    expect(rows).toEqual([{ frozen: null, deployments: 0 }]);
  });

  it.each<[string, string[]]>([
    ['--target: process, helm or gitops', ['--env', 'dev']],
    ['--process-dir is missing', ['--env', 'dev', '--target', 'process']],
    ['--url is missing', ['--env', 'dev', '--target', 'helm']],
    ['--config-repository is missing', ['--env', 'dev', '--target', 'gitops', '--url', 'http://x']],
    ['--url: where the service is', ['--env', 'dev', '--target', 'helm', '--url', 'x']],
    ['--watch: a duration', [...PROCESS, '--watch', '2h']],
    ['--port: the first', [...PROCESS, '--port', '99999']],
    ['--ops-token-file: /none cannot be read', [...PROCESS, '--ops-token-file', '/none']],
    [
      '--config-repository: no user or password',
      [...GITOPS, '--config-repository', 'https://token@git.example.com/config.git'],
    ],
    [
      '--config-repository: no user or password',
      [...GITOPS, '--config-repository', 'ssh://git:secret@git.example.com/config.git'],
    ],
    ['--env: where to', ['--target', 'process']],
  ])('is a mistake: %s', async (message, args) => {
    const call = invoke(['release', '--dry-run', ...args], environment);
    await expect(call).rejects.toThrow(UsageError);
    await expect(call).rejects.toThrow(message);
  });

  it.each<[string, string[]]>([
    ['watched for 15 minutes or more', ['--watch', '14m']],
    ['say where port 9090 is by --ops-url', []],
  ])('is forbidden outside dev: %s', async (message, args) => {
    const helm = ['--target', 'helm', '--url', 'http://127.0.0.1:1', ...args];
    const given = { ...environment, DRAGONFLY_GIT_SHA: 'c'.repeat(40) };
    const call = invoke(['release', '--dry-run', '--env', 'staging', ...helm], given);
    await expect(call).rejects.toThrow(UsageError);
    await expect(call).rejects.toThrow(message);
  });

  it('[DEP-3] is the only one without a key for the job of the smoke test', async () => {
    await expect(invoke(['release', ...PROCESS], environment)).rejects.toThrow('give DRAGONFLY_SMOKE_KEY');
  });

  it('[DEP-3] is the only one that need not say which origin may call', async () => {
    const call = invoke(['release', ...PROCESS], { ...environment, DRAGONFLY_SMOKE_KEY: SMOKE_KEY });
    await expect(call).rejects.toThrow('say --allowed-origin, or none');
  });

  it('says what to do where there is no log yet', async () => {
    await owner.query('alter function ops.record_deployment rename to gone');
    await expect(invoke(['release', ...PROCESS, '--dry-run'], environment)).rejects.toThrow(
      'set the environment up by `dragonfly migrate up`',
    );
    await owner.query('alter function ops.gone rename to record_deployment');
  });
});

describe('[DEP-5] deployments', () => {
  const [old, now] = [released(SHAS[0], 1), released(SHAS[1], 2)];

  it('lists the newest first, and shows one', async () => {
    await log.save(old);
    await log.save(now);
    const { output } = await invoke(['deployments', 'list', '--env', 'dev', '--json'], environment);
    expect((JSON.parse(output) as Deployment[]).map(({ id }) => id)).toEqual([now.id, old.id]);
    expect((await invoke(['deployments', 'list', '--env', 'prod'], environment)).output).not.toContain(
      now.id,
    );
    const shown = await invoke(['deployments', 'show', old.id], environment);
    expect(shown.output).toContain(`git_sha: ${SHAS[0]}`);
    expect(shown.output).toMatch(/smoke +done .* 9 looked at/);
    expect(shown.output).toMatch(/advisories: pass at .*GHSA-aaaa-bbbb-cccc .*until 2026-11-28/s);
    expect(shown.output).toContain('ACCESS EXCLUSIVE on ops.job (about 1200 rows, 16 kB)');
    expect(shown.output).toContain('20261128000001_rollback_417; its down step loses labels');
    const json = await invoke(['deployments', 'show', old.id, '--json'], environment);
    expect(JSON.parse(json.output)).toMatchObject({
      schema_change: { impact: [{ is_breaking: true, contract_tests: ['test/contract/sql/claim.test.ts'] }] },
    });
    await expect(invoke(['deployments', 'show', randomUUID()], environment)).rejects.toThrow('no deployment');
  });

  it('say where a rollback goes', async () => {
    const { output } = await invoke(['rollback', ...PROCESS, '--dry-run'], environment);
    expect(output).toMatch(new RegExp(`rollback-deploy +start .*releases/${SHAS[0]}`));
  });
});

describe('[DEP-4] rollback', () => {
  it('of a release that only looked unfreezes, and has done what it was asked for', async () => {
    const waiting = {
      ...released(SHAS[0], 3),
      status: 'running',
      endedAt: null,
      phases: [],
      migrations: [],
    } as const;
    await log.save({ ...waiting, target: `process in ${folder}` });
    await owner.query("select set_config('ops.actor', 'release by somebody', true), ops.freeze_queues()");
    const given = { ...environment, DRAGONFLY_SMOKE_KEY: SMOKE_KEY };
    const { output, code } = await invoke(['rollback', ...PROCESS, '--allowed-origin', 'none'], given);
    expect(output).toContain('Aborted: nothing was changed');
    expect(code).toBe(0);
    expect((await owner.query('select ops.frozen_since() as frozen')).rows).toEqual([{ frozen: null }]);
  });
});

const frozen = async () => (await owner.query('select paused_by from ops.queue_pause')).rows as unknown[];

describe('[DEP-4] the freeze of a release', () => {
  const queues = postgresQueueFreeze(run, 'somebody');

  it('says whose it is, and is ended by another release as well', async () => {
    await queues.freeze();
    await queues.freeze();
    expect(await frozen()).toEqual([{ paused_by: 'release by somebody' }]);
    expect(await queues.heldBy()).toBeUndefined();
    await postgresQueueFreeze(run, 'another').unfreeze();
    expect(await frozen()).toEqual([]);
    const { rows } = await owner.query(
      "select action, actor from ops.audit_log where action like 'queues.%' and outcome = 'done' order by id desc limit 2",
    );
    expect(rows).toEqual([
      { action: 'queues.unfreeze', actor: 'release by another' },
      { action: 'queues.freeze', actor: 'release by somebody' },
    ]);
  });

  it('leaves that of a person as it is', async () => {
    await owner.query('select ops.freeze_queues()');
    await queues.freeze();
    await queues.unfreeze();
    expect(await frozen()).toEqual([{ paused_by: null }]);
    expect(await queues.heldBy()).toMatch(/^since \d{4}-.* by somebody$/);
    await owner.query('select ops.unfreeze_queues()');
    expect(await queues.heldBy()).toBeUndefined();
  });
});

const says = (compatibility: string, more = ''): string =>
  `-- Owner: test\n-- Compatibility: ${compatibility}\n${more}`;

describe('[DATA-2] the migrations of a release', () => {
  const migrations = releaseMigrations(options);

  it('are taken back in prod by what was prepared, as a new migration and by nothing else that is pending', async () => {
    await write(
      '20300101000000_drops',
      `${says('breaks it')}create table public.gone ();`,
      'drop table if exists public.gone;',
    );
    const rollback = '20300109000000_drops_rollback_417';
    await mkdir(path.join(folder, 'rollback'));
    await write(
      `rollback/${rollback}`,
      `${says('the release before works', '-- Takes back: 20300101000000_drops\n')}drop table public.gone;`,
    );
    await migrations.up();
    expect(await migrations.prepared()).toMatchObject([
      { name: rollback, takesBack: '20300101000000_drops' },
    ]);
    await write('20300102000000_later', `${says('works')}select 1 / 0;`);

    expect(await migrations.applyPrepared([rollback])).toEqual([rollback]);
    expect(await migrations.applyPrepared([rollback])).toEqual([]);
    expect((await migrations.applied()).slice(-2)).toMatchObject([
      { name: '20300101000000_drops', compatible: false, takesBack: null },
      { name: rollback, compatible: true, takesBack: '20300101000000_drops' },
    ]);
    expect(await migrations.prepared()).toEqual([]);
    expect(await migrations.pending()).toEqual(['20300102000000_later']);
    expect((await owner.query("select to_regclass('public.gone') as found")).rows).toEqual([{ found: null }]);
    // Moved to the migrations it is one of them, and as it was.
    await rm(path.join(folder, '20300102000000_later.up.sql'));
    await rm(path.join(folder, '20300102000000_later.down.sql'));
    for (const direction of ['up', 'down'])
      await rename(
        path.join(folder, `rollback/${rollback}.${direction}.sql`),
        path.join(folder, `${rollback}.${direction}.sql`),
      );
    expect(await migrations.pending()).toEqual([]);
    expect(await migrations.downThrough('20300101000000_drops')).toEqual([rollback, '20300101000000_drops']);
  });

  it('are tried in a scratch database with what was prepared to take them back', async () => {
    await mkdir(path.join(folder, 'rollback'));
    const rollback = 'rollback/20300109000000_claims_rollback_417';
    const header = '-- Owner: test\n-- Compatibility: works\n-- Takes back: 20300101000000_none\n';
    const tried = async (sql: string) => {
      await write(rollback, `${header}${sql}`);
      return await withScratchDatabase(
        { adminUrl: database.urls.admin, ownerUrl: database.urls.owner },
        async (databaseUrl) => await roundTrip({ ...options, databaseUrl }),
      );
    };
    expect(await tried('drop function ops.frozen_since();')).toEqual({ left: [], lost: [], gained: [] });
    await expect(tried('drop function ops.no_such();')).rejects.toThrow(
      'Migration 20300109000000_claims_rollback_417 failed',
    );
  });

  it('say which of them the release before does not work with, and can be taken back through it', async () => {
    await write(
      '20300101000000_adds',
      '-- Owner: test\n-- Compatibility: the release before works\nselect 1;',
    );
    await write(
      '20300102000000_drops',
      '-- Owner: test\n-- Compatibility: breaks the release before\nselect 1;',
    );
    await write(
      '20300103000000_more',
      '-- Owner: test\n-- Compatibility: the release before works\nselect 1;',
    );
    const names = await migrations.pending();
    expect(names).toEqual(['20300101000000_adds', '20300102000000_drops', '20300103000000_more']);
    expect(await migrations.up()).toEqual(names);
    expect((await migrations.applied()).slice(-3).map(({ compatible }) => compatible)).toEqual([
      true,
      false,
      true,
    ]);
    expect(await migrations.downThrough('20300102000000_drops')).toEqual([names[2], names[1]]);
    expect(await migrations.pending()).toEqual(names.slice(1));
  });

  it('are not judged from a checkout that does not know them all', async () => {
    const known = releaseMigrations({ ...options, folder: path.resolve('migrations') });
    await expect(known.applied()).rejects.toThrow('does not know 20300101000000_adds');
  });
});
