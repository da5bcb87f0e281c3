import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { verifyDatabaseState } from '#src/adapters/outbound/postgres/verify-state.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { testDatabase } from '../support/database.ts';
import { findPsql, libpqEnvironment } from '../support/postgres-programs.ts';

const { urls } = await testDatabase();
const roleOf = (role: 'owner' | 'api' | 'worker' | 'readonly'): string => new URL(urls[role]).username;
const roles = {
  owner: roleOf('owner'),
  api: roleOf('api'),
  worker: roleOf('worker'),
  readonly: roleOf('readonly'),
};
const admin = new Client({ connectionString: urls.admin });
await admin.connect();
afterAll(async () => await admin.end());

const FILE = fileURLToPath(new URL('../../docs/database/verify_db_state.sql', import.meta.url));
const PSQL = findPsql();

function psql(names: Readonly<Record<string, string>> = roles) {
  const variables = Object.entries(names).flatMap(([role, name]) => ['-v', `${role}_role=${name}`]);
  const { status, stdout, stderr } = spawnSync(PSQL ?? '', ['-X', '-f', FILE, ...variables], {
    env: libpqEnvironment(urls.owner),
    encoding: 'utf8',
  });
  return { status, lines: stdout.trim().split('\n'), stderr };
}

/** As the release does it. */
const verified = async () =>
  (
    await withPool({ url: urls.owner }, 'dragonfly-test', async (pool) => {
      return await verifyDatabaseState(pool, roles);
    })
  ).map(({ severity, summary }) => `${severity} ${summary}`);

/** What is done, how it is undone, what is said of it. */
const SABOTAGES: [string, string, string][] = [
  [
    'drop index ops.audit_log_newest',
    'create index audit_log_newest on ops.audit_log (organization_id, at, id)',
    'missing: index ops.audit_log_newest',
  ],
  [
    `alter function ops.frozen_since() set work_mem = '1MB'`,
    'alter function ops.frozen_since() reset work_mem',
    'changed: function ops.frozen_since()',
  ],
  [
    `grant select on ops.worker to ${roles.api}`,
    `revoke select on ops.worker from ${roles.api}`,
    'changed: grants on table ops.worker',
  ],
  [
    'alter table public.api_key disable row level security',
    'alter table public.api_key enable row level security',
    'changed: table public.api_key',
  ],
  [
    'alter table ops.worker add extra integer',
    'alter table ops.worker drop extra',
    'unexpected: column ops.worker.extra',
  ],
  [
    'alter table ops.worker alter hostname set not null',
    'alter table ops.worker alter hostname drop not null',
    'changed: column ops.worker.hostname',
  ],
  [
    'alter view ops.audit set (security_barrier = false)',
    'alter view ops.audit set (security_barrier = true)',
    'changed: view ops.audit',
  ],
  [
    'alter function ops.audit_unsealed_age() owner to postgres',
    `alter function ops.audit_unsealed_age() owner to ${roles.owner}`,
    'changed: owner of function ops.audit_unsealed_age()',
  ],
  [
    `update migration.checksum set sha256 = md5(sha256) || sha256 where name = '20261121090050_audit'`,
    `update migration.checksum set sha256 = substr(sha256, 33) where name = '20261121090050_audit'`,
    'changed: migration 20261121090050_audit',
  ],
  [
    `insert into migration.applied values ('20991231000000_later', now()::text)`,
    `delete from migration.applied where name = '20991231000000_later'`,
    'unexpected: migration 20991231000000_later',
  ],
];
/** Who has another owner grants as him. */
const FAULTS = [
  ...SABOTAGES.map(([, , fault]) => fault),
  'changed: grants on function ops.audit_unsealed_age()',
].toSorted();

async function sabotaged(): Promise<void> {
  onTestFinished(async () => {
    for (const [, undo] of SABOTAGES) await admin.query(undo);
  });
  for (const [statement] of SABOTAGES) await admin.query(statement);
}
const but = (lines: string[], pattern: RegExp) => lines.filter((line) => !pattern.test(line)).toSorted();

describe.skipIf(PSQL === undefined)('[DATA-5] verify_db_state.sql with psql', () => {
  it('says ok of a database that was only migrated, whatever days and claims have a table', async () => {
    await withPool({ url: urls.owner }, 'dragonfly-test', async (pool) => {
      await pool.query(`select ops.make_day('2030-01-01'), ops.make_claims(77)`);
    });
    expect(psql()).toEqual({ status: 0, lines: ['ok'], stderr: '' });
  });

  it('prints a line for each fault and fails', async () => {
    await sabotaged();
    const { status, lines, stderr } = psql();
    expect(lines.toSorted()).toEqual(FAULTS);
    expect(stderr).toContain(`${FAULTS.length} faults`);
    expect(status).toBe(3);
  });

  it('takes the names of roles that nothing says for those of the chart', () => {
    const { lines } = psql({});
    expect(lines).toContain('changed: owner of schema ops');
    expect(but(lines, /^\w+: (?:owner of|grants on|default grants)/)).toEqual([]);
  });
});

describe('[DATA-5] the same through a pool, as a release verifies', () => {
  it('finds nothing in a sound database, and changes nothing', async () => {
    expect(await verified()).toEqual(['ok the schema and its migrations are as they were committed']);
  });

  it('finds each fault', async () => {
    await sabotaged();
    const found = await verified();
    expect(found.toSorted()).toEqual(FAULTS.map((fault) => `critical ${fault}`));
  });

  it('finds the changed body of a function', async () => {
    const { rows } = await admin.query<{ before: string }>(
      `select pg_get_functiondef('ops.frozen_since()'::regprocedure) as before`,
    );
    await admin.query(
      `create or replace function ops.frozen_since() returns timestamptz language sql return null::timestamptz`,
    );
    onTestFinished(async () => {
      await admin.query(rows[0]?.before ?? '');
    });
    expect(await verified()).toEqual(['critical changed: function ops.frozen_since()']);
  });
});
