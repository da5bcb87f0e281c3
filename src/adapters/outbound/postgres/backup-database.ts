import type { DatabaseFacts } from '#src/application/backup/manifest.ts';
import type { BackupSource, RestoreTarget } from '#src/application/backup/ports.ts';
import type { Pool, PoolClient } from 'pg';
import { type Row, query } from './pool.ts';

type Run = (text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** Ours: what PostgreSQL brings along is in no dump, nor is the record of DDL, which belongs to the server. */
const OF_NO_SYSTEM = `n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'ddl_log')`;

/** 180004 is 18.4. */
export async function serverVersion(pool: Pool): Promise<number> {
  const text = `select current_setting('server_version_num')::integer as version`;
  const [row] = await query(pool, { text, values: [] });
  return Number(row?.['version']);
}

/** Reads a whole database, row-level security or not. */
export const backupSource = (pool: Pool): BackupSource => ({
  async inSnapshot(work) {
    const client = await pool.connect();
    const run = runOn(client);
    try {
      await refuseBlindRole(run);
      await run('begin isolation level repeatable read read only');
      const [row] = await run('select pg_export_snapshot() as snapshot');
      return await work(String(row?.['snapshot']), await readFacts(run));
    } finally {
      client.release(true);
    }
  },
});

/** As the owner. @param verify what the audit log is found to be */
export function restoreTarget(pool: Pool, auditFaults: RestoreTarget['auditFaults']): RestoreTarget {
  const run: Run = async (text, values = []) => await query(pool, { text, values });
  return {
    async state(roles) {
      const [row] = await run(
        `select current_setting('server_version_num')::integer as version,
           (select count(*)::integer from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${OF_NO_SYSTEM})
             + (select count(*)::integer from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OF_NO_SYSTEM})
             + (select count(*)::integer from pg_namespace n where ${OF_NO_SYSTEM} and n.nspname <> 'public') as objects,
           (select count(*)::integer from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend') as sessions,
           array(select r from unnest($1::text[]) r where r not in (select rolname from pg_roles)) as missing`,
        [roles],
      );
      return {
        serverVersion: Number(row?.['version']),
        objects: Number(row?.['objects']),
        sessions: Number(row?.['sessions']),
        missingRoles: row?.['missing'] as string[],
      };
    },
    async empty() {
      await run('drop owned by current_user cascade');
    },
    async settle() {
      await run('analyze');
      return await countAsOwner(pool);
    },
    auditFaults,
  };
}

const runOn =
  (client: PoolClient): Run =>
  async (text, values = []) =>
    (await client.query<Row>(text, [...values])).rows;

/** Forced row-level security hides rows from everybody else, the owner too (docs/decisions/0017). */
async function refuseBlindRole(run: Run): Promise<void> {
  const [role] = await run(
    `select rolname, rolsuper or (rolbypassrls and pg_has_role(oid, 'pg_read_all_data', 'usage')) as sees
       from pg_roles where rolname = current_user`,
  );
  if (role?.['sees'] === true) return;
  const name = String(role?.['rolname']);
  throw new Error(
    `The role ${name} does not see every row, and what it does not see would be missing. As a superuser: alter role ${name} bypassrls; grant pg_read_all_data to ${name};`,
  );
}

async function readFacts(run: Run): Promise<DatabaseFacts> {
  const [row] = await run(
    `select current_database() as database, current_setting('server_version_num')::integer as version,
       array(select distinct r.rolname::text from pg_shdepend d join pg_roles r on r.oid = d.refobjid
              where d.refclassid = 'pg_authid'::regclass
                and d.dbid = (select oid from pg_database where datname = current_database()) order by 1) as roles,
       (select encode(hash, 'hex') from ops.audit_seal order by seq desc limit 1) as head`,
  );
  const migrations = await run('select name, sha256 from migration.checksum order by name');
  return {
    database: String(row?.['database']),
    server_version: Number(row?.['version']),
    roles: row?.['roles'] as string[],
    migrations: migrations.map(({ name, sha256 }) => ({ name: String(name), sha256: String(sha256) })),
    rows: await countRows(run),
    audit_head: (row?.['head'] as string | null | undefined) ?? null,
  };
}

/** Its own policies hide rows from the owner; nobody else is connected, and nothing of this is kept. */
async function countAsOwner(pool: Pool): Promise<Record<string, number>> {
  const client = await pool.connect();
  const run = runOn(client);
  try {
    await run('begin');
    const forced = await run(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relforcerowsecurity and ${OF_NO_SYSTEM}`,
    );
    for (const { name } of forced) await run(`alter table ${String(name)} no force row level security`);
    return await countRows(run);
  } finally {
    await run('rollback');
    client.release();
  }
}

async function countRows(run: Run): Promise<Record<string, number>> {
  const tables = await run(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and ${OF_NO_SYSTEM} order by 1`,
  );
  const rows: Record<string, number> = {};
  for (const { name } of tables) {
    const [counted] = await run(`select count(*) as rows from only ${String(name)}`);
    rows[String(name)] = Number(counted?.['rows']);
  }
  return rows;
}
