import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import type { Row } from '#src/adapters/outbound/postgres/pool.ts';
import { type Fault, type Verification, verifyAuditLog } from '#src/application/audit/verify.ts';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { testDatabase } from '../support/database.ts';

const { urls } = await testDatabase();
const admin = new Client({ connectionString: urls.admin });
await admin.connect();
afterAll(async () => {
  await admin.end();
});
const rowsOf = async (text: string, values: readonly unknown[] = []): Promise<Row[]> =>
  (await admin.query<Row>(text, [...values])).rows;

/** Four seals of three entries each: 1 to 12, written long ago. */
await rowsOf(`select ops.audit('test.act', 'target ' || n || ' · ü €', 'done', jsonb_build_object('n', n), gen_random_uuid())
                from generate_series(1, 12) n`);
await rowsOf(`alter table ops.audit_log disable trigger user`);
await rowsOf(
  `update ops.audit_log set at = at - interval '1 hour', trace_id = case when id = 5 then 't' end`,
);
await rowsOf(`alter table ops.audit_log enable always trigger append_only`);
await rowsOf(`alter table ops.audit_log enable always trigger kept`);
const hashes: string[] = [];
for (let n = 0; n < 4; n += 1) {
  const [seal] = await rowsOf('select hash from ops.seal_audit_log(3)');
  hashes.push(seal?.['hash'] as string);
}
const [FIRST = '', SECOND = '', , LAST = ''] = hashes;

const verify = async (anchor?: string): Promise<Verification> =>
  await verifyAuditLog(
    {
      trail: postgresAuditTrail(async ({ text, values }) => await rowsOf(text, values)),
      sha256: (text) => hash('sha256', text),
    },
    anchor,
  );

/** What is found when a superuser has done this; undone afterwards. */
async function tampered(statements: readonly string[], anchor?: string): Promise<readonly Fault[]> {
  await rowsOf('begin');
  try {
    await rowsOf('alter table ops.audit_log disable trigger user');
    await rowsOf('alter table ops.audit_log alter id drop identity');
    await rowsOf('alter table ops.audit_seal disable trigger user');
    for (const statement of statements) await rowsOf(statement);
    return (await verify(anchor)).faults;
  } finally {
    await rowsOf('rollback');
  }
}

it('finds nothing where nobody tampered, whichever seal is expected', async () => {
  expect(await verify()).toEqual({ seals: 4, entries: 12, prunedThrough: null, head: LAST, faults: [] });
  for (const hash of hashes) expect((await verify(hash)).faults).toEqual([]);
});

describe('[DATA-7] an edit is found, with its seal and entry', () => {
  it.for([
    `at = at + interval '1 microsecond'`,
    `organization_id = null`,
    `organization_id = gen_random_uuid()`,
    `actor = 'api_key:another'`,
    `action = 'test.other'`,
    `target = null`,
    `target = ''`,
    `target = target || ' '`,
    `outcome = 'unchanged'`,
    `trace_id = null`,
    `trace_id = ''`,
    `detail = '{}'`,
    `target = 't', trace_id = target`,
  ])('set %s', async (change) => {
    expect(await tampered([`update ops.audit_log set ${change} where id = 5`])).toEqual([
      { kind: 'entry_changed', seal: 2n, entries: [5n] },
    ]);
  });

  it('of an id: one is missing, one has no seal', async () => {
    expect(await tampered(['update ops.audit_log set id = 500 where id = 5'])).toEqual([
      { kind: 'entry_missing', seal: 2n, entries: [5n] },
      { kind: 'entry_unsealed', seal: null, entries: [500n] },
    ]);
  });

  it.for([
    `sealed_at = sealed_at - interval '1 microsecond'`,
    `digests[2] = sha256('x')`,
    `hash = sha256('x')`,
    `previous_hash = sha256('x')`,
  ])('of a seal: set %s', async (change) => {
    const faults = await tampered([`update ops.audit_seal set ${change} where seq = 2`]);
    const fault = faults.find(({ kind }) => kind === 'seal_changed');
    expect(fault).toEqual({ kind: 'seal_changed', seal: 2n, entries: [4n, 5n, 6n] });
  });

  it('of an entry and its digest: the seal does not fit', async () => {
    const faults = await tampered([
      `update ops.audit_log set actor = 'another' where id = 5`,
      `update ops.audit_seal set digests[2] = (select ops.audit_digest(l) from ops.audit_log l where id = 5) where seq = 2`,
    ]);
    expect(faults).toEqual([{ kind: 'seal_changed', seal: 2n, entries: [4n, 5n, 6n] }]);
  });
});

describe('[DATA-7] a deletion is found', () => {
  it('of an entry', async () => {
    expect(await tampered(['delete from ops.audit_log where id in (8, 9)'])).toEqual([
      { kind: 'entry_missing', seal: 3n, entries: [8n, 9n] },
    ]);
  });

  it.for([1, 2, 3])('of seal %d with its entries', async (seq) => {
    const faults = await tampered([
      `delete from ops.audit_log where id in (select unnest(ids) from ops.audit_seal where seq = ${seq})`,
      `delete from ops.audit_seal where seq = ${seq}`,
    ]);
    expect(faults).toEqual([{ kind: 'seal_missing', seal: BigInt(seq), entries: [] }]);
  });

  it('of a seal in the middle whose followers were numbered anew', async () => {
    const faults = await tampered([
      'delete from ops.audit_log where id in (4, 5, 6)',
      'delete from ops.audit_seal where seq = 2',
      'update ops.audit_seal set seq = seq - 1 where seq = 3',
      'update ops.audit_seal set seq = seq - 1 where seq = 4',
    ]);
    expect(faults[0]).toEqual({ kind: 'chain_broken', seal: 2n, entries: [] });
  });

  it('of the last seals, when their entries stay', async () => {
    expect(await tampered(['delete from ops.audit_seal where seq > 2'])).toEqual([
      { kind: 'entry_unsealed', seal: null, entries: [7n, 8n, 9n, 10n, 11n, 12n] },
    ]);
  });

  it('of the last seals with their entries, when the hash of one of them is known', async () => {
    const statements = ['delete from ops.audit_seal where seq > 2', 'delete from ops.audit_log where id > 6'];
    expect(await tampered(statements, LAST)).toEqual([{ kind: 'anchor_missing', seal: null, entries: [] }]);
    expect(await tampered(statements, SECOND), 'what an older anchor cannot say').toEqual([]);
  });

  it('of everything, when a hash is known', async () => {
    expect(await tampered(['truncate ops.audit_log, ops.audit_seal'], FIRST)).toEqual([
      { kind: 'anchor_missing', seal: null, entries: [] },
    ]);
  });

  it('and a chain that was sealed anew over it, when a hash is known', async () => {
    const faults = await tampered(
      [
        'delete from ops.audit_log where id = 5',
        'truncate ops.audit_seal',
        'insert into ops.audit_unsealed select id from ops.audit_log',
        'select ops.seal_audit_log(100)',
      ],
      LAST,
    );
    expect(faults).toEqual([{ kind: 'anchor_missing', seal: null, entries: [] }]);
  });
});

describe('[DATA-7] a reordering is found', () => {
  it('of two entries', async () => {
    const faults = await tampered([
      'update ops.audit_log set id = -1 where id = 5',
      'update ops.audit_log set id = 5 where id = 8',
      'update ops.audit_log set id = 8 where id = -1',
    ]);
    expect(faults).toEqual([
      { kind: 'entry_changed', seal: 2n, entries: [5n] },
      { kind: 'entry_changed', seal: 3n, entries: [8n] },
    ]);
  });

  it('of the entries of a seal', async () => {
    const faults = await tampered([`update ops.audit_seal set ids = '{6,5,4}' where seq = 2`]);
    expect(faults).toEqual([{ kind: 'entry_changed', seal: 2n, entries: [6n, 4n] }]);
  });

  it('of two seals', async () => {
    const faults = await tampered([
      'update ops.audit_seal set seq = 100 where seq = 2',
      'update ops.audit_seal set seq = 2 where seq = 3',
      'update ops.audit_seal set seq = 3 where seq = 100',
    ]);
    expect(faults[0]).toEqual({ kind: 'chain_broken', seal: 2n, entries: [] });
    expect(faults).toContainEqual({ kind: 'seal_changed', seal: 2n, entries: [7n, 8n, 9n] });
  });
});

const insert = (id: string, at: string): string =>
  `insert into ops.audit_log (id, at, actor, action, outcome, detail) values (${id}, ${at}, 'forged', 'test.act', 'done', '{}')`;

describe('[DATA-7] an insertion is found', () => {
  it.for([
    ['0', `now() - interval '30 minutes'`],
    ['-7', `now() - interval '30 minutes'`],
    ['9007199254740993', `now() - interval '11 seconds'`],
    ['1000', `now() + interval '30 minutes'`],
  ])('of the entry %s at %s', async ([id = '', at = '']) => {
    expect(await tampered([insert(id, at)])).toEqual([
      { kind: 'entry_unsealed', seal: null, entries: [BigInt(id)] },
    ]);
  });

  it('of an entry into a seal', async () => {
    const faults = await tampered([
      insert('1000', 'now()'),
      `update ops.audit_seal set ids = ids || 1000::bigint,
         digests = digests || (select ops.audit_digest(l) from ops.audit_log l where id = 1000) where seq = 4`,
    ]);
    expect(faults).toEqual([{ kind: 'seal_changed', seal: 4n, entries: [10n, 11n, 12n, 1000n] }]);
  });

  it('of a seal that repeats an entry', async () => {
    const faults = await tampered([
      'insert into ops.audit_unsealed values (5)',
      'select ops.seal_audit_log(10)',
    ]);
    expect(faults).toEqual([{ kind: 'entry_sealed_twice', seal: 5n, entries: [5n] }]);
  });
});

describe('[DATA-7] entries without a seal', () => {
  it('are found after 10 s', async () => {
    const faults = await tampered([
      insert('20', 'clock_timestamp()'),
      insert('21', `clock_timestamp() - interval '11 seconds'`),
    ]);
    expect(faults).toEqual([{ kind: 'entry_unsealed', seal: null, entries: [21n] }]);
  });
});

describe('`dragonfly audit`', () => {
  const environment = { DRAGONFLY_ENV: 'dev', DRAGONFLY_OWNER_DATABASE_URL: urls.owner };
  const run = async (line: string): Promise<string> =>
    (await invoke(['audit', ...line.split(' ')], environment)).output;

  const report = async (anchor: string) =>
    await promisify(execFile)(process.execPath, ['src/main.ts', 'audit', 'verify', '--expect', anchor], {
      env: environment,
    });

  it('verify says what it has seen, also as JSON', async () => {
    expect(await run('verify')).toBe(
      `The audit log is what was sealed: 12 entries in 4 seals.\nLast hash: ${LAST}`,
    );
    expect(JSON.parse(await run(`verify --json --expect ${SECOND}`))).toEqual({
      ok: true,
      seals: 4,
      entries: 12,
      prunedThrough: null,
      head: LAST,
      faults: [],
    });
  });

  it('verify fails with what it found', async () => {
    const unknown = '0'.repeat(64);
    expect(await run(`verify --expect ${unknown}`)).toMatch(/anchor_missing: no seal has the expected hash$/);
    expect(JSON.parse(await run(`verify --json --expect ${unknown}`))).toMatchObject({
      ok: false,
      faults: [{ kind: 'anchor_missing', seal: null, entries: [] }],
    });
  });

  it('ends with 0 or 1, its report on the standard output', async () => {
    expect(await report(FIRST)).toEqual({
      stdout: expect.stringContaining('is what was sealed'),
      stderr: '',
    });
    await expect(report('0'.repeat(64))).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('anchor_missing'),
      stderr: '',
    });
  });

  it('list has the newest entries first, of every organisation or of one', async () => {
    const entries = JSON.parse(await run('list --limit 3 --json')) as {
      id: string;
      organization_id: string;
    }[];
    expect(entries.map(({ id }) => id)).toEqual(['12', '11', '10']);
    const [newest] = entries;
    const own = await run(`list --organization ${newest?.organization_id ?? ''}`);
    expect(own).toMatch(/^12\t\S+Z\t\S+\trole:\S+\ttest\.act\ttarget 12 · ü €\tdone\t-\t\{"n":12\}$/);
  });

  it.for([
    '',
    'check',
    'verify --expect 12',
    'verify more',
    'list --limit 0',
    'list --limit 1001',
    'list --organization acme',
  ])('`%s` is a usage error', async (line) => {
    await expect(run(line)).rejects.toThrow(UsageError);
  });
});
