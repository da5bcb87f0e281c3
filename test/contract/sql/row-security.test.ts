import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { only } from './queue.ts';
import { type Role, connectRoles } from './roles.ts';

const { urls, owner, admin, api, as, session } = await connectRoles();

const NAMES = ['acme', 'stranger'] as const;
const hashes = { acme: randomBytes(32), stranger: randomBytes(32) };
const ids: Record<string, string> = {};
for (const name of NAMES) {
  ids[name] = only(await owner<{ id: string }>`select ops.create_organization(${name}) as id`).id;
  await owner`select ops.issue_api_key(${ids[name]}, 'key', ${hashes[name]}, '1 day', 'viewer')`;
}

const found = async (hash: Buffer) =>
  await api<{ organization_id: string }>`select * from ops.authenticate_api_key(${hash})`;

const countIn = async (role: Role, view: string, organization: string): Promise<number> => {
  const { sql, run } = await session(role);
  await sql`select set_config('ops.organization_id', ${organization}, false)`;
  return ((await run(`select from ${view}`)) as { rowCount: number }).rowCount;
};

/** From the catalogue, so that a new table is among them by itself. */
const tables = await owner<{ name: string; enabled: boolean; forced: boolean; organization: string | null }>`
  select format('%I.%I', n.nspname, c.relname) as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
         (select a.attname from pg_attribute a
           where a.attrelid = c.oid and a.attname = case c.relname when 'organization' then 'id' else 'organization_id' end) as organization
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = 'public' and c.relkind in ('r', 'p')`;

/** As the owner, under whom the functions run: no other role has any right on a table. */
async function asOwnerOf<T>(
  organization: string | undefined,
  work: (run: (text: string) => Promise<{ rows: unknown[]; rowCount: number }>) => Promise<T>,
): Promise<T> {
  const { sql, run } = await session('owner');
  await sql`begin`;
  await sql`select set_config('ops.organization_id', ${organization ?? ''}, true)`;
  const result = await work(run as never);
  await sql`rollback`;
  return result;
}

it('[SEC-11] every table of public has forced row-level security', () => {
  expect(tables.map(({ name }) => name).toSorted()).toEqual(['public.api_key', 'public.organization']);
  for (const table of tables) expect(table).toMatchObject({ enabled: true, forced: true });
});

describe.for(tables)('[SEC-11] the owner in $name', ({ name, organization }) => {
  it('sees nothing without an organisation', async () => {
    const { rows } = await asOwnerOf(undefined, (run) => run(`select from ${name}`));
    expect(rows).toEqual([]);
  });

  it('sees and changes rows of the organisation only', async () => {
    const own = ids['acme'];
    const { rows } = await asOwnerOf(own, (run) =>
      run(`select ${organization} as organization from ${name}`),
    );
    expect(new Set(rows.map((row) => (row as { organization: string }).organization))).toEqual(
      new Set([own]),
    );
    const others = `where ${organization} = '${ids['stranger'] ?? ''}'`;
    for (const statement of [`delete from ${name} ${others}`, `update ${name} set name = 'x' ${others}`]) {
      expect((await asOwnerOf(own, (run) => run(statement))).rowCount).toBe(0);
    }
  });

  it('gives no row to another organisation', async () => {
    const move = `update ${name} set ${organization} = '${randomUUID()}'`;
    await expect(asOwnerOf(ids['acme'], (run) => run(move))).rejects.toMatchObject({ code: '42501' });
  });
});

describe('[SEC-11] what one knows is enough for one row in one statement', () => {
  it('a hash finds its key and no other', async () => {
    expect(await found(hashes.acme)).toMatchObject([{ organization_id: ids['acme'] }]);
    expect(await found(hashes.stranger)).toMatchObject([{ organization_id: ids['stranger'] }]);
    expect(await found(randomBytes(32))).toEqual([]);
  });

  it('nothing of it is left in the transaction', async () => {
    const { sql } = await session('owner');
    await sql`begin`;
    await sql`select * from ops.authenticate_api_key(${hashes.acme})`;
    await sql`select ops.find_organization('acme')`;
    expect(await sql`select from public.api_key`).toEqual([]);
    expect(await sql`select from public.organization`).toEqual([]);
    await sql`rollback`;
  });

  it('nor of a transaction in its connection', async () => {
    const { sql } = await session('api');
    await sql`begin`;
    await sql`select set_config('ops.organization_id', ${ids['acme']}, true)`;
    expect(await sql`select from ops.api_keys`).toHaveLength(1);
    await sql`commit`;
    expect(await sql`select from ops.api_keys`).toEqual([]);
    await sql`select ops.touch_api_keys('{}', array[${ids['acme']}]::uuid[])`;
    expect(await sql`select from ops.api_keys`).toEqual([]);
  });

  it('stamps no key under another organisation', async () => {
    const { key_id } = only(
      await api<{ key_id: string }>`select key_id from ops.authenticate_api_key(${hashes.stranger})`,
    );
    await api`select ops.touch_api_keys(array[${key_id}]::uuid[], array[${ids['acme']}]::uuid[])`;
    expect(await admin`select from public.api_key where id = ${key_id} and last_used_at is not null`).toEqual(
      [],
    );
  });
});

describe('[SEC-11] the views that a role may read show', async () => {
  await as('api', { organization_id: ids['stranger'] ?? '', trace_id: 'a'.repeat(32) })`
    select ops.queue_job('row-security', '{}'), ops.pause_queue('row-security')`;
  /** Of no organisation: who works, and what was done to the schema (docs/decisions/0017). */
  const COMMON = new Set(['ops.workers', 'ddl_log.unacknowledged']);
  const roles = ['api', 'worker', 'readonly'] as const;
  const readable = await owner<{ role: (typeof roles)[number]; view: string }>`
    select r.role, format('%I.%I', n.nspname, c.relname) as view
      from unnest(${roles}::text[], ${roles.map((role) => new URL(urls[role]).username)}::text[]) r (role, name)
      cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('v', 'm')
       and has_any_column_privilege(r.name, c.oid, 'select') order by 1, 2`;
  const filtered = readable.filter(({ view }) => !COMMON.has(view));

  it('rows of an organisation to api and readonly', () => {
    expect(new Set(filtered.map(({ role }) => role))).toEqual(new Set(['api', 'readonly']));
    expect(filtered.length).toBeGreaterThan(8);
  });

  it.for(filtered)(
    '$role nothing of $view without an organisation or to another one',
    async ({ role, view }) => {
      expect(await countIn(role, view, ids['stranger'] ?? '')).toBeGreaterThan(0);
      expect(await countIn(role, view, '')).toBe(0);
      expect(await countIn(role, view, randomUUID())).toBe(0);
    },
  );

  it('everybody which workers there are, and nothing of a machine, a job or an organisation', async () => {
    const columns = await owner<{ name: string }>`
      select attname as name from pg_attribute where attrelid = 'ops.workers'::regclass and attnum > 0 order by attnum`;
    expect(columns.map(({ name }) => name)).toEqual([
      'id',
      'type',
      'status',
      'command',
      'started_at',
      'last_seen_at',
      'alive',
    ]);
  });
});
