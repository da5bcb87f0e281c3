import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client, escapeIdentifier } from 'pg';
import { afterAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { asAdmin } from '../support/cluster.ts';
import { testDatabase } from '../support/database.ts';
import { findDump, libpqEnvironment } from '../support/postgres-programs.ts';

const run = promisify(execFile);
const database = await testDatabase();
const admin = new Client({ connectionString: database.urls.admin });
await admin.connect();
afterAll(async () => await admin.end());
const { rows: versions } = await admin.query<{ version: number }>(
  `select current_setting('server_version_num')::integer as version`,
);
const programs = await findDump(versions[0]?.version ?? 0);

/** Jobs that wait, wait for a time, are processing, have ended and have failed for good. */
async function fill(): Promise<void> {
  await admin.query(`select ops.queue_jobs('[{"type": "t", "payload": 1}, {"type": "t", "payload": 2}, {"type": "t", "payload": 3},
    {"type": "t", "payload": 4, "max_attempts": 1}, {"type": "t", "payload": 5, "run_at": "2099-01-01Z"},
    {"type": "t", "payload": 6, "unique_key": "k"}]')`);
  await admin.query(`select ops.register_heartbeat('w', 'test')`);
  const { rows } = await admin.query<{ job_id: string; lease_token: string }>(
    `select job_id, lease_token from ops.claim_jobs('{t}', 4, 30, 'w')`,
  );
  for (const [job, status] of [
    [rows[0], 'completed'],
    [rows[3], 'failed'],
  ] as const) {
    await admin.query('select from ops.complete_jobs($1, $2, $3)', [
      [job?.job_id],
      [job?.lease_token],
      [status],
    ]);
  }
}

async function restored(): Promise<Client> {
  const folder = await mkdtemp(path.join(tmpdir(), 'restore-'));
  const file = path.join(folder, 'dump');
  const name = `${inject('cluster').prefix}_${randomUUID().slice(0, 8)}`;
  onTestFinished(async () => {
    await rm(folder, { recursive: true });
    await asAdmin(database.urls.admin, async (client) => {
      await client.query(`drop database ${escapeIdentifier(name)} with (force)`);
    });
  });
  await admin.query(`create database ${escapeIdentifier(name)}`);
  const from = libpqEnvironment(database.urls.admin);
  const [dump, restore] = ['pg_dump', 'pg_restore'].map((name) => path.join(programs ?? '', name)) as [
    string,
    string,
  ];
  await run(dump, ['--format=custom', `--file=${file}`], { env: from });
  await run(restore, [`--dbname=${name}`, file], { env: { ...from, PGDATABASE: name } });
  const url = new URL(database.urls.admin);
  url.pathname = `/${name}`;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  onTestFinished(async () => await client.end());
  return client;
}

const FIGURES = 'select status, count(*)::integer from ops.job_now group by status order by status';

describe.runIf(programs)('[DATA-8] [Q-3] a dump that is restored', () => {
  it.for([
    { cluster: 'whose transaction ids are younger than those of the dump', next: "'4000000000000'" },
    { cluster: 'whose transaction ids are older', next: "'3'" },
  ])('works on in a cluster $cluster', async ({ next }) => {
    await admin.query(
      'truncate ops.job, ops.ready, ops.scheduled, ops.claim, ops.lease, ops.outcome, ops.dead_letter, ops.unique_key, ops.tally',
    );
    await fill();
    const before = (await admin.query(FIGURES)).rows;
    const client = await restored();
    await client.query(`update ops.claim set next_xid = ${next}, due_xid = ${next}`);
    expect((await client.query(FIGURES)).rows).toEqual(before);

    await client.query(`select ops.queue_job('t', '7')`);
    const claim = `select payload, attempts from ops.claim_jobs('{t}', 10, 30, 'w2') order by payload`;
    expect((await client.query(claim)).rows).toEqual([
      { payload: 6, attempts: 1 },
      { payload: 7, attempts: 1 },
    ]);
    // Its worker is of the old cluster: it is silent here, and its jobs return.
    await client.query(`update ops.worker set last_seen_at = now() - interval '1 hour'`);
    expect((await client.query(claim)).rows).toEqual([
      { payload: 2, attempts: 2 },
      { payload: 3, attempts: 2 },
    ]);
    await expect(client.query(`select ops.queue_job_idempotent('t', '8', 'k')`)).resolves.toBeDefined();
    await client.query('select ops.maintain()');
  });
});
