import { hash, randomBytes, randomUUID } from 'node:crypto';
import { postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import { type Fault, type Verification, verifyAuditLog } from '#src/application/audit/verify.ts';
import { testDatabase } from '#test/support/database.ts';
import { testService } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRoles } from './roles.ts';

const database = await testDatabase();
const { urls, owner, worker, as } = await connectRoles(database);
const admin = new Client({ connectionString: urls.admin });
beforeAll(async () => {
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
});

const organization = randomUUID();
const api = as('api', { organization_id: organization });

/** What the steps did that were to be done. */
async function prune(keep: string | null = '400 days'): Promise<string[]> {
  const steps: string[] = [];
  for (;;) {
    const [row] = await worker<{ step: string | null }>`select ops.prune(${keep}::interval) as step`;
    if (!row || row.step === null) return steps;
    steps.push(row.step);
  }
}

const verify = async (anchor?: string): Promise<Verification> => {
  const trail = postgresAuditTrail(async ({ text, values }) => (await admin.query(text, [...values])).rows);
  return await verifyAuditLog({ trail, sha256: (text) => hash('sha256', text) }, anchor);
};

const seal = async (): Promise<void> => void (await worker`select seq from ops.seal_audit_log(500)`);

/** Seals of three entries each, made so many days ago; by number, the oldest first. */
async function sealsOf(daysAgo: readonly number[]): Promise<string[]> {
  await admin.query(`alter table ops.audit_log disable trigger user`);
  await admin.query(`alter table ops.audit_seal disable trigger user`);
  for (const days of daysAgo) {
    await admin.query(`select ops.audit('test.act', 'target ' || n, 'done') from generate_series(1, 3) n`);
    await admin.query(
      `update ops.audit_log set at = at - $1 * interval '1 day' where id in (select id from ops.audit_unsealed)`,
      [days],
    );
    await seal();
    // The chain as it would have been made then.
    await admin.query(
      `with latest as (
         select seq, ids, digests, previous_hash, sealed_at - $1 * interval '1 day' as at from ops.audit_seal order by seq desc limit 1)
       update ops.audit_seal s set sealed_at = l.at, hash = sha256(convert_to(
           ops.audit_field(l.seq::text) || ops.audit_field((extract(epoch from l.at) * 1000000)::bigint::text)
           || ops.audit_field(encode(l.previous_hash, 'hex'))
           || (select string_agg(ops.audit_field(encode(d, 'hex')), '' order by n) from unnest(l.digests) with ordinality u (d, n)), 'UTF8'))
         from latest l where s.seq = l.seq`,
      [days],
    );
  }
  for (const table of ['audit_log', 'audit_seal'])
    for (const trigger of ['append_only', 'kept'])
      await admin.query(`alter table ops.${table} enable always trigger ${trigger}`);
  const { rows } = await admin.query<{ hash: string }>(
    `select encode(hash, 'hex') as hash from ops.audit_seal order by seq`,
  );
  return rows.map((row) => row.hash);
}

/** What is found when a superuser has done this; undone afterwards. */
async function tampered(statements: readonly string[], anchor?: string): Promise<readonly Fault[]> {
  await admin.query('begin');
  try {
    for (const table of ['audit_log', 'audit_seal'])
      await admin.query(`alter table ops.${table} disable trigger user`);
    for (const statement of statements) await admin.query(statement);
    return (await verify(anchor)).faults;
  } finally {
    await admin.query('rollback');
  }
}

describe('[DATA-7] the audit log', () => {
  let hashes: string[] = [];
  it('loses whole seals that are too old, says so in itself, and is a chain still', async () => {
    hashes = await sealsOf([500, 420, 402, 300, 95, 1]);
    expect(await verify()).toMatchObject({ seals: 6, entries: 18, prunedThrough: null, faults: [] });
    expect(await prune()).toEqual(['9 audit entries deleted']);
    await seal();
    expect(await verify()).toMatchObject({ seals: 4, entries: 10, prunedThrough: 3n, faults: [] });
    const acts = await owner`select actor, outcome, detail from ops.audit_log where action = 'audit.prune'`;
    expect(acts).toEqual([
      {
        actor: `role:${new URL(urls.worker).username}`,
        outcome: 'done',
        detail: { entries: 9, seal: '3', hash: hashes[2] },
      },
    ]);
    expect(await prune(), 'for the second time').toEqual([]);
  });

  it('has the hash of the last seal that went, and of each that stayed, and none from before', async () => {
    for (const known of hashes.slice(2)) expect((await verify(known)).faults).toEqual([]);
    expect((await verify(hashes[1])).faults).toEqual([{ kind: 'anchor_missing', seal: null, entries: [] }]);
  });

  it.for<[string, string[], Partial<Fault>]>([
    ['an edit', [`update ops.audit_log set actor = 'x' where id = 10`], { kind: 'entry_changed', seal: 4n }],
    ['a deletion', ['delete from ops.audit_log where id = 13'], { kind: 'entry_missing', seal: 5n }],
    [
      'another seal that goes with its entries',
      ['delete from ops.audit_log where id in (10, 11, 12)', 'delete from ops.audit_seal where seq = 4'],
      { kind: 'seal_missing', seal: 4n },
    ],
    [
      'a deletion that says it was another',
      [`update ops.audit_log set detail = detail || '{"seal": "4"}' where action = 'audit.prune'`],
      { kind: 'seal_missing', seal: 5n },
    ],
    [
      'a deletion that says nothing',
      [`update ops.audit_log set detail = '{}' where action = 'audit.prune'`],
      { kind: 'seal_missing', seal: 1n },
    ],
    [
      'another hash of what was deleted',
      [`update ops.audit_log set detail = detail || '{"hash": "00"}' where action = 'audit.prune'`],
      { kind: 'chain_broken', seal: 4n },
    ],
    [
      'a deletion whose entry is gone',
      [`delete from ops.audit_log where action = 'audit.prune'`],
      { kind: 'seal_missing', seal: 1n },
    ],
  ])('shows %s afterwards', async ([, statements, fault]) => {
    expect(await tampered(statements)).toContainEqual(expect.objectContaining(fault));
  });

  it('keeps 90 days whatever is asked for, and whoever asks', async () => {
    for (const keep of ['89 days', '-1 day', null])
      await expect(prune(keep)).rejects.toMatchObject({ code: '22023' });
    for (const statement of [
      `set local ops.pruning = 'on'; delete from ops.audit_log where id = 16`,
      `set local ops.pruning = 'on'; delete from ops.audit_seal where seq = 6`,
      'delete from ops.audit_log where id = 10',
      'delete from ops.audit_seal where seq = 4',
    ]) {
      await expect(admin.query(`begin; ${statement}`)).rejects.toMatchObject({ code: '42501' });
      await admin.query('rollback');
    }
  });

  it('is pruned further by a worker that is told to keep less', async () => {
    const service = await testService(database, ['worker'], { DRAGONFLY_AUDIT_KEEP_DAYS: '90' });
    await until(async () => {
      expect(await verify()).toMatchObject({ prunedThrough: 5n, faults: [] });
    });
    expect((await verify(hashes[4])).faults).toEqual([]);
    expect(await prune('90 days')).toEqual([]);
    await service.stop();
  });
});

it('[SEC-5] [DATA-7] keys are kept for 90 days after their end, then deleted with an entry that says how many', async () => {
  const keyOf = async (name: string): Promise<string> => {
    const [row] = await owner<{ id: string }>`
      with organization as (select ops.create_organization('acme') as id)
      select ops.issue_api_key(o.id, ${name}, ${randomBytes(32)}, '90 days') as id from organization o`;
    return row?.id ?? '';
  };
  const [live, expired, gone, revoked] = [
    await keyOf('live'),
    await keyOf('expired'),
    await keyOf('gone'),
    await keyOf('revoked'),
  ];
  const end = async (id: string, expiredDaysAgo: number, revokedDaysAgo?: number): Promise<unknown> =>
    await admin.query(
      `update public.api_key set created_at = now() - interval '150 days', expires_at = now() - $2 * interval '1 day',
         revoked_at = now() - $3 * interval '1 day' where id = $1`,
      [id, expiredDaysAgo, revokedDaysAgo],
    );
  await end(expired, 89);
  await end(gone, 91);
  await end(revoked, 61, 91);

  expect(await prune()).toEqual(['2 API keys deleted']);
  const { rows } = await admin.query<{ id: string }>('select id from public.api_key');
  expect(rows.map(({ id }) => id).toSorted()).toEqual([live, expired].toSorted());
  expect(await owner`select detail from ops.audit_log where action = 'api_key.prune'`).toEqual([
    { detail: { keys: 2 } },
  ]);
});

it('[SEC-11] what a client says of pruning shows it no key of others', async () => {
  const [row] =
    await api`select set_config('ops.pruning', 'on', true), (select count(*) from ops.api_keys) as keys`;
  expect(row).toMatchObject({ keys: '0' });
});
