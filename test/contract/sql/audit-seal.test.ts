import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import { type Verification, verifyAuditLog } from '#src/application/audit/verify.ts';
import { begin, connectQueue, newType } from './queue.ts';

const queue = await connectQueue();
const { api, owner, worker, session, urls } = queue;

interface Made {
  readonly seq: string | null;
  readonly entries: number | null;
  readonly hash: string | null;
}
const seal = async (limit = 500, sql = worker): Promise<Made> => {
  const [made] = await sql<Made & Record<string, unknown>>`select * from ops.seal_audit_log(${limit})`;
  return made as Made;
};
const sealAll = async (): Promise<void> => {
  while ((await seal()).seq !== null);
};

const verify = async (): Promise<Verification> => {
  const client = new Client({ connectionString: urls.owner });
  await client.connect();
  try {
    const trail = postgresAuditTrail(
      async ({ text, values }) => (await client.query(text, [...values])).rows,
    );
    return await verifyAuditLog({ trail, sha256: (text) => hash('sha256', text) });
  } finally {
    await client.end();
  }
};

/** The targets of each seal that was made after this one. */
const sealedTargets = async (after: string | null): Promise<string[][]> => {
  const rows = await owner<{ targets: string[] }>`
    select array(select l.target from unnest(s.ids) with ordinality u (id, n) join ops.audit_log l on l.id = u.id order by n) as targets
      from ops.audit_seal s where s.seq > ${after ?? 0} order by s.seq`;
  return rows.map(({ targets }) => targets);
};

const head = async (): Promise<string | null> => {
  const [row] = await owner<{ seq: string | null }>`select max(seq) as seq from ops.audit_seal`;
  return row?.seq ?? null;
};

it('[DATA-7] seals are a chain over batches in the order of ids, and nothing to seal makes none', async () => {
  await sealAll();
  const before = await head();
  const types = ['a', 'b', 'c'].map((name) => `${newType()}.${name}`);
  for (const type of types) await api()`select ops.pause_queue(${type})`;
  expect(await seal(2)).toMatchObject({ entries: 2, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(await seal(2)).toMatchObject({ entries: 1 });
  expect(await seal(2)).toEqual({ seq: null, entries: null, hash: null });
  expect(await sealedTargets(before)).toEqual([types.slice(0, 2), types.slice(2)]);
  expect(await verify()).toMatchObject({ faults: [] });
});

it('[DATA-7] what commits late goes into a later seal, and what is rolled back into none', async () => {
  await sealAll();
  const before = await head();
  const [late, early, never] = [newType(), newType(), newType()];
  const [first, second] = [await session('api'), await session('api')];
  await begin(first);
  await first.sql`select ops.pause_queue(${late})`;
  await begin(second);
  await second.sql`select ops.pause_queue(${never})`;
  await api()`select ops.pause_queue(${early})`;
  await sealAll();
  await first.sql`commit`;
  await second.sql`rollback`;
  await sealAll();
  expect(await sealedTargets(before)).toEqual([[early], [late]]);
  expect(await verify()).toMatchObject({ faults: [] });
});

it('[DATA-7] while one session seals, others act without waiting, and another one leaves the sealing to it', async () => {
  await sealAll();
  const before = await head();
  const type = newType();
  await api()`select ops.pause_queue(${type})`;
  const sealing = await session('worker');
  await sealing.sql`begin`;
  await sealing.sql`select ops.seal_audit_log(10)`;
  // It would wait for ever: a second is as good.
  const acting = await session('api');
  await begin(acting);
  await acting.sql`set local lock_timeout = '1s'`;
  await acting.sql`select ops.resume_queue(${type})`;
  await acting.sql`select ops.pause_queue(${type})`;
  await acting.sql`commit`;
  expect(await seal()).toMatchObject({ seq: null });
  const waiting = await owner`
    select from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and not l.granted`;
  expect(waiting).toEqual([]);
  await sealing.sql`rollback`;
  await sealAll();
  expect(await sealedTargets(before), 'what the lost seal had, too').toEqual([[type, type, type]]);
});

it('[DATA-7] eight writers with open transactions and two sealers: every entry is in one seal, none is lost', async () => {
  await sealAll();
  const before = await head();
  const kept: string[] = [];
  const writing = new AbortController();

  async function write(writer: number): Promise<void> {
    const connection = await session('api');
    for (let n = 0; n < 25; n += 1) {
      const types = [`${newType()}.${writer}`, `${newType()}.${writer}`];
      await begin(connection);
      for (const type of types) {
        await connection.sql`select ops.pause_queue(${type})`;
        await sleep((writer * 7 + n) % 5);
      }
      const isKept = (writer + n) % 3 > 0;
      await connection.run(isKept ? 'commit' : 'rollback');
      if (isKept) kept.push(...types);
    }
  }
  async function sealMeanwhile(): Promise<void> {
    const connection = await session('worker');
    while (!writing.signal.aborted) {
      await connection.sql`select ops.seal_audit_log(7)`;
      await sleep(1);
    }
  }
  const sealers = [sealMeanwhile(), sealMeanwhile()];
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      await write(writer);
    }),
  );
  writing.abort();
  await Promise.all(sealers);
  await sealAll();
  const sealed = (await sealedTargets(before)).flat();
  expect(sealed.toSorted()).toEqual(kept.toSorted());
  expect(await verify()).toMatchObject({ faults: [] });
});

const age = async (): Promise<unknown> => (await worker`select ops.audit_unsealed_age() as age`)[0]?.['age'];

it('[OBS-4] ops.audit_unsealed_age is that of the oldest entry without a seal', async () => {
  await sealAll();
  expect(await age()).toBe(0);
  await owner`
    with entry as (
      insert into ops.audit_log (at, actor, action, outcome, detail) values (now() - interval '1 minute', 'a', 'b.c', 'done', '{}') returning id)
    insert into ops.audit_unsealed select id from entry`;
  await api()`select ops.pause_queue(${newType()})`;
  expect(await age()).toBeGreaterThan(59);
  await sealAll();
  expect(await age()).toBe(0);
});
