import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { Environment } from '#src/config/load.ts';
import { asAdmin, createCluster, dropCluster, urlAs } from '../../support/cluster.ts';
import { audit, auditedEnvironment } from '../../support/security-audit.ts';

/** Roles of its own: what they may is changed here, and others must not see that. */
const { adminUrl } = inject('cluster');
const cluster = await createCluster(adminUrl);
afterAll(async () => await dropCluster(cluster));
const name = cluster.template;
await asAdmin(adminUrl, async (client) => {
  await client.query(`alter database ${name} allow_connections true`);
});
const adminOf = new URL(adminUrl);
adminOf.pathname = `/${name}`;
const urls = {
  owner: urlAs(cluster, 'owner', name),
  api: urlAs(cluster, 'api', name),
  worker: urlAs(cluster, 'worker', name),
  readonly: urlAs(cluster, 'readonly', name),
  admin: adminOf.href,
};
const [api, readonly, ownerRole] = [
  cluster.credentials.api.name,
  cluster.credentials.readonly.name,
  cluster.credentials.owner.name,
];
const environment = auditedEnvironment({ name, urls });
const audited = async (changes: Environment = {}) => await audit({ ...environment, ...changes });

const admin = new Client({ connectionString: urls.admin });
await admin.connect();
afterAll(async () => await admin.end());

/** The opposite of one grant, or of an attribute of a role. */
function undone(statement: string): string {
  if (statement.startsWith('alter role')) return statement.replace(/(\w+)$/, 'no$1');
  return statement.replace('grant', 'revoke').replace(/ to (\w+)$/, ' from $1');
}

describe('[SEC-5] [SEC-11] [SEC-12] `dragonfly security-audit`', () => {
  it('has nothing to say of a database that the migrations made', async () => {
    const { bad, code, findings } = await audited();
    expect(bad).toEqual([]);
    expect(code).toBe(0);
    expect(findings.length).toBeGreaterThan(25);
  });

  const DEFINER = `function ops.planted() returns integer language sql security definer`;
  const sabotages: [string, { breaks: string; mends?: string; found: string[]; says?: RegExp }][] = [
    [
      'a role that makes roles',
      { breaks: `alter role ${api} createrole`, found: ['role-attributes'], says: /_api: createrole$/ },
    ],
    [
      'an owner for whom no policy holds',
      { breaks: `alter role ${ownerRole} bypassrls`, found: ['owner-bound'] },
    ],
    [
      'a role that is a member of another',
      {
        breaks: `grant pg_read_server_files to ${readonly}`,
        mends: `revoke pg_read_server_files from ${readonly}`,
        found: ['role-membership'],
      },
    ],
    [
      'a role that owns something',
      {
        breaks: `create view public.mine as select 1 as one; alter view public.mine owner to ${api}`,
        mends: 'drop view public.mine',
        found: ['role-owns'],
        says: /_api: mine$/,
      },
    ],
    [
      'a schema in which everybody may create',
      {
        breaks: 'grant create on schema public to public',
        found: ['role-creates', 'grants', 'public-schema'],
      },
    ],
    [
      'temporary tables for a role of run time',
      { breaks: `grant temporary on database ${name} to ${api}`, found: ['role-creates', 'grants'] },
    ],
    [
      'a table of ops that a role reads',
      {
        breaks: `grant select on ops.audit_log to ${readonly}`,
        found: ['table-access', 'grants'],
        says: /_readonly: ops\.audit_log$/,
      },
    ],
    [
      'a column of a table that a role reads',
      {
        breaks: `grant select (key_hash) on public.api_key to ${readonly}`,
        found: ['table-access'],
        says: /_readonly: api_key$/,
      },
    ],
    [
      'a table that a role reads by another role',
      {
        breaks: `grant pg_read_all_data to ${readonly}`,
        mends: `revoke pg_read_all_data from ${readonly}`,
        found: ['role-membership', 'table-access', 'view-barrier'],
      },
    ],
    [
      'a function that a role should not have',
      {
        breaks: `grant execute on function ops.issue_api_key to ${api}`,
        found: ['grants'],
        says: /api has execute on function ops\.issue_api_key/,
      },
    ],
    [
      'a privilege that may be passed on',
      {
        breaks: `grant execute on function ops.cancel_job(uuid) to ${api} with grant option`,
        mends: `revoke grant option for execute on function ops.cancel_job(uuid) from ${api}`,
        found: ['grants'],
        says: /^api has grant option for execute on function ops\.cancel_job\(uuid\)$/,
      },
    ],
    [
      'a grant that is missing',
      {
        breaks: `revoke execute on function ops.cancel_job(uuid) from ${api}`,
        mends: `grant execute on function ops.cancel_job(uuid) to ${api}`,
        found: ['grants-missing'],
      },
    ],
    [
      'ops that everybody uses',
      { breaks: 'grant usage on schema ops to public', found: ['grants', 'public-schema'] },
    ],
    [
      'privileges that later objects will have',
      {
        breaks: `alter default privileges for role ${ownerRole} in schema ops grant select on tables to ${api}`,
        found: ['default-privileges'],
        says: /select on tables of \S+_owner to \S+_api/,
      },
    ],
    [
      'later functions that everybody executes',
      {
        breaks: `alter default privileges for role ${ownerRole} grant execute on functions to public`,
        found: ['default-privileges'],
        says: /to PUBLIC/,
      },
    ],
    [
      'a table without row-level security',
      {
        breaks: 'create table public.open (n integer)',
        mends: 'drop table public.open',
        found: ['row-security'],
      },
    ],
    [
      'row-level security that the owner passes',
      {
        breaks: 'alter table public.api_key no force row level security',
        mends: 'alter table public.api_key force row level security',
        found: ['row-security'],
      },
    ],
    [
      'a policy that shows everything',
      {
        breaks: 'create policy wide on public.api_key for select using (true)',
        mends: 'drop policy wide on public.api_key',
        found: ['row-policy'],
      },
    ],
    [
      'a view that leaks',
      {
        breaks: 'alter view ops.jobs reset (security_barrier)',
        mends: 'alter view ops.jobs set (security_barrier)',
        found: ['view-barrier'],
      },
    ],
    [
      'a function that everybody executes',
      {
        breaks: 'grant execute on function ops.frozen_since() to public',
        found: ['grants', 'function-public'],
      },
    ],
    [
      'a search_path of the caller',
      {
        breaks: `create ${DEFINER} return 1; revoke execute on function ops.planted() from public`,
        mends: 'drop function ops.planted()',
        found: ['search-path'],
        says: /ops\.planted\(\): not fixed/,
      },
    ],
    [
      'a search_path with a schema of others before its end',
      {
        breaks: `create ${DEFINER} set search_path = public, pg_temp return 1; revoke execute on function ops.planted() from public`,
        mends: 'drop function ops.planted()',
        found: ['search-path'],
      },
    ],
    [
      'passwords that are stored as MD5',
      {
        breaks: `alter database ${name} set password_encryption = 'md5'`,
        mends: `alter database ${name} reset password_encryption`,
        found: ['password-encryption'],
      },
    ],
  ];

  it.for(sabotages)('finds %s', async ([, { breaks, mends = undone(breaks), found, says = /./ }]) => {
    await admin.query(breaks);
    const { bad, code, of } = await audited();
    await admin.query(mends);
    expect(bad.toSorted()).toEqual(found.toSorted());
    expect(code).toBe(of(found[0] ?? '')?.severity === 'warning' ? 0 : 1);
    expect(of(found[0] ?? '')?.summary).toMatch(says);
  });

  it('offers statements that mend what it found', async () => {
    await admin.query(`alter role ${api} createrole createdb`);
    await admin.query(`grant select on ops.audit_log to ${readonly}`);
    await admin.query('grant execute on function ops.frozen_since() to public');
    await admin.query('alter view ops.jobs reset (security_barrier)');
    await admin.query('create policy wide on public.api_key for select using (true)');
    await admin.query(`alter default privileges for role ${ownerRole} grant execute on functions to public`);
    await admin.query('create table public.open (n integer)');
    const { findings } = await audited();
    for (const { mend } of findings) if (mend !== undefined) await admin.query(mend);
    const { bad } = await audited();
    await admin.query('drop table public.open');
    expect(bad).toEqual([]);
  });

  it('leaves extensions to whoever installed them', async () => {
    await admin.query(
      'create extension hstore schema public; create extension pg_stat_statements schema public',
    );
    const { bad } = await audited();
    await admin.query('drop extension hstore, pg_stat_statements');
    expect(bad).toEqual([]);
  });

  it('finds a role that is not there', async () => {
    const { of, code } = await audited({ DRAGONFLY_READONLY_ROLE: 'nobody_has_it' });
    expect(code).toBe(1);
    expect(of('role-missing')).toMatchObject({ severity: 'critical', summary: 'nobody_has_it' });
  });

  it('[SEC-1] fails when it cannot look, without a secret', async () => {
    const password = randomBytes(12).toString('base64url');
    const { code, output, findings } = await audited({
      DRAGONFLY_START_TIMEOUT: '0ms',
      DRAGONFLY_OWNER_DATABASE_URL: `postgres://owner:${password}@127.0.0.1:1/none`,
    });
    expect(code).toBe(1);
    const unseen = findings.filter(({ check }) => check.endsWith('-reachable')).map(({ check }) => check);
    expect(unseen).toEqual(['postgres-reachable', 'keys-reachable', 'audit-log-reachable']);
    expect(output).not.toContain(password);
  });

  it('[SEC-4] finds an audit log that somebody changed', async () => {
    await admin.query(`select ops.create_organization('sealed')`);
    await admin.query(`select ops.audit('api_key.create', 'planted', 'done'), ops.seal_audit_log(100)`);
    await admin.query('alter table ops.audit_log disable trigger user');
    await admin.query(`update ops.audit_log set actor = 'somebody else' where target = 'planted'`);
    const { of } = await audited();
    await admin.query(`update ops.audit_log set actor = $1 where target = 'planted'`, [`role:postgres`]);
    await admin.query(
      'alter table ops.audit_log enable always trigger append_only, enable always trigger kept',
    );
    expect(of('audit-log')).toMatchObject({ severity: 'critical', summary: 'entry_changed' });
  });
});
