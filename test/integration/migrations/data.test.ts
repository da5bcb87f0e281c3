import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { migrateDown, migrateToLatest } from '#src/adapters/outbound/postgres/migrator.ts';
import { headerOf } from '#src/adapters/outbound/postgres/unwrapped-migration.ts';
import { setUp } from './setup.ts';

const { database, names, options, folder } = await setUp();
const admin = new Client({ connectionString: database.urls.admin });
await admin.connect();
afterAll(async () => await admin.end());

/** Rows of each table, the partitions in those of theirs. As the superuser, whom row-level security hides nothing from. */
async function rowCounts(): Promise<Map<string, number>> {
  const { rows: tables } = await admin.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('ops', 'public') and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  const counts = new Map<string, number>();
  for (const { name } of tables) {
    const { rows } = await admin.query<{ rows: number }>(`select count(*)::integer as rows from ${name}`);
    counts.set(name, rows[0]?.rows ?? 0);
  }
  return counts;
}

/** Something of everything, in one transaction of an organisation. */
const FILL = `
  begin;
  select ops.create_organization('acme');
  select ops.record_deployment(jsonb_build_object('id', gen_random_uuid(), 'env', 'dev', 'kind', 'release', 'git_sha', repeat('a', 40),
    'target', 'process', 'actor', 'test', 'started_at', now(), 'status', 'running', 'phases', '[]'::jsonb, 'schema_version', 'x', 'migrations', '[]'::jsonb));
  select set_config('ops.actor', 'api_key:test', true);
  select ops.create_api_key('client', sha256('a key'), interval '1 day', 'service', null);
  select * from ops.begin_idempotent('POST /v1/jobs', 'a key', '\\x01');
  select ops.end_idempotent('POST /v1/jobs', 'a key', '\\x01', 201, '{}', '{}');
  select ops.pause_queue('paused');
  select ops.register_heartbeat('w', 'test');
  select ops.queue_jobs('[
    {"type": "waits", "payload": {}, "unique_key": "only one"}, {"type": "later", "payload": {}, "run_at": "2100-01-01T00:00:00Z"},
    {"type": "runs", "payload": {}}, {"type": "dies", "payload": {}, "max_attempts": 1}]');
  commit;
  select ops.complete_jobs(array[job_id], array[lease_token], '{failed}') from ops.claim_jobs('{dies}', 1, 30, 'w');
  select ops.claim_pending_job('{runs}', 30, 'w');
  select ops.seal_audit_log(1);`;

/** What a job goes through: queued, claimed, completed (`complete_jobs` returns what it refuses), and nothing of it left to claim. */
async function works(type: string): Promise<boolean> {
  await admin.query(`select ops.queue_job($1, '{}')`, [type]);
  const { rows } = await admin.query<{ job_id: string; lease_token: string }>(
    `select job_id, lease_token from ops.claim_pending_job(array[$1], 30, 'w')`,
    [type],
  );
  const [job] = rows;
  if (!job) return false;
  const done = await admin.query(
    `select from ops.complete_jobs(array[$1::uuid], array[$2::bigint], '{completed}')`,
    [job.job_id, job.lease_token],
  );
  const { rowCount: left } = await admin.query(`select from ops.claim_pending_job(array[$1], 30, 'w')`, [
    type,
  ]);
  return done.rowCount === 0 && left === 0;
}

async function down(steps: number): Promise<void> {
  for (let step = 0; step < steps; step += 1) await migrateDown(options);
}

const losesOf = async (name: string): Promise<string | undefined> =>
  headerOf(await readFile(path.join(folder, `${name}.down.sql`), 'utf8'), 'Loses');

describe('[DATA-3] down and up again on data', () => {
  it('every table has a row to begin with', async () => {
    await admin.query(FILL);
    const counts = await rowCounts();
    expect([...counts].filter(([, rows]) => rows === 0).map(([name]) => name)).toEqual([]);
  });

  it.for(names.toReversed().map((name, index) => ({ name, steps: index + 1 })))(
    'through $name: what is lost is said, the rest is as before, and the queue works',
    async ({ name, steps }) => {
      const before = await rowCounts();
      await down(steps - 1);
      const above = await rowCounts();
      await down(1);
      const below = await rowCounts();
      for (const [table, rows] of below) expect([table, rows]).toEqual([table, before.get(table)]);
      const lost = [...above.keys()].filter((table) => !below.has(table));
      expect(lost.length > 0).toBe((await losesOf(name)) !== undefined);

      expect(await migrateToLatest(options)).toEqual({ applied: names.slice(-steps) });
      const after = await rowCounts();
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const [table, rows] of below) expect([table, after.get(table)]).toEqual([table, rows]);
      expect(await works(`after_${steps}`)).toBe(true);
    },
  );

  it('a job that waited through steps that lose nothing is claimed after them', async () => {
    const firstLoss = (await Promise.all(names.map(losesOf))).findLastIndex((loses) => loses !== undefined);
    await admin.query(`select ops.queue_job('waited', '{}')`);
    await down(names.length - 1 - firstLoss);
    await migrateToLatest(options);
    expect((await admin.query(`select from ops.claim_pending_job('{waited}', 30, 'w')`)).rowCount).toBe(1);
  });
});
