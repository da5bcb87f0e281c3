import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Client } from 'pg';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { readDatabaseFacts } from '#src/adapters/outbound/postgres/database-facts.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { issueApiKey } from '#src/composition/keys.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import type { Finding } from '#src/application/checks/finding.ts';
import { selfSigned } from '../support/certificate.ts';
import { roleNames, testDatabase } from '../support/database.ts';
import { describeWithRedis } from '../support/servers.ts';
import { tlsProxy } from '../support/tls-proxy.ts';

const database = await testDatabase();
const userOf = (role: 'api' | 'worker' | 'readonly'): string => new URL(database.urls[role]).username;
const [owner, admin] = [database.urls.owner, database.urls.admin].map(
  (connectionString) => new Client({ connectionString, application_name: 'bystander' }),
) as [Client, Client];
await Promise.all([owner.connect(), admin.connect()]);
afterAll(async () => {
  await Promise.all([owner.end(), admin.end()]);
});

const environment = {
  DRAGONFLY_ENV: 'dev',
  DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
  ...roleNames(database),
};
const facts = async (...otherRoles: string[]) =>
  await withPool({ url: database.urls.owner }, 'test', async (pool) =>
    readDatabaseFacts(pool, {
      runtimeRoles: [userOf('api'), userOf('worker'), userOf('readonly'), ...otherRoles],
      deadlines: new Map([['slow', 30]]),
    }),
  );

const key = async (organization: string, name: string, days: number) =>
  await issueApiKey({
    databaseUrl: database.urls.owner,
    organization,
    name,
    role: 'viewer',
    lifetimeMs: days * 86_400_000,
  });

async function doctor(changes: Record<string, string> = {}) {
  const { output, code } = await invoke(['doctor', '--json'], { ...environment, ...changes });
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  return { code, of: (check: string) => findings.filter((finding) => finding.check === check) };
}

describe('[SEC-18] [ARC-10] `dragonfly doctor`', () => {
  it('looks at a database that works', async () => {
    const { of } = await doctor();
    const looked = [
      'postgres-version',
      'migrations',
      'runtime-roles',
      'row-security',
      'canonical-signatures',
      'partitions',
    ];
    for (const check of [...looked, 'wraparound', 'clock-postgres']) {
      expect(of(check)).toMatchObject([{ severity: 'ok' }]);
    }
    expect(of('credential-source')).toMatchObject([{ severity: 'warning' }]);
  });

  it('fails when PostgreSQL or Redis cannot be reached, without a secret', async () => {
    const { code, of } = await doctor({
      DRAGONFLY_OWNER_DATABASE_URL: 'postgres://owner:canary-7Zr8@127.0.0.1:1/none',
      DRAGONFLY_REDIS_URL: 'redis://:canary-7Zr8@127.0.0.1:1',
    });
    expect(code).toBe(1);
    const found = ['postgres', 'migrations', 'redis'].flatMap((name) => of(`${name}-reachable`));
    expect(found).toHaveLength(3);
    expect(JSON.stringify(found)).not.toContain('canary');
  });

  const MANY = { DRAGONFLY_API_REPLICAS_MAX: '400', DRAGONFLY_WORKER_REPLICAS_MAX: '1' };

  it('[ARC-10] fails when the replicas of the environment would open more connections than there are', async () => {
    const { code, of } = await doctor(MANY);
    expect(code).toBe(1);
    expect(of('connection-headroom')).toMatchObject([
      { severity: 'critical', summary: expect.stringMatching(/^4011 planned of /) },
    ]);
  });

  it('[ARC-10] takes numbers that are given rather than those of the environment', async () => {
    const given = ['doctor', '--api-replicas', '1', '--worker-replicas', '1', '--json'];
    const { output } = await invoke(given, { ...environment, ...MANY });
    expect(output).toMatch(/"21 planned of /);
  });

  it('[SEC-5] finds keys that end within a week, of whatever organisation, unless they have a successor', async () => {
    await key('acme', 'short', 3);
    await key('neighbour', 'shorter', 2);
    await key('neighbour', 'long', 30);
    await key('neighbour', 'rotated', 1);
    const { rows } = await admin.query<{ id: string }>(
      `select id from public.api_key where name = 'rotated'`,
    );
    await invoke(['keys', 'rotate', rows[0]?.id ?? '', '--organization', 'neighbour'], environment);
    expect((await doctor()).of('key-expiry')).toMatchObject([
      { severity: 'warning', summary: 'neighbour/shorter ends in 1 d, acme/short ends in 2 d' },
    ]);
  });
});

/** Certificates that this process trusts until the end of the test. */
function trusting(days: number) {
  const certificate = selfSigned(days);
  const before = getCACertificates();
  setDefaultCACertificates([...before, certificate.cert]);
  onTestFinished(() => setDefaultCACertificates(before));
  return certificate;
}
const overTls = async (url: string, days: number): Promise<string> => {
  const target = new URL(url);
  target.host = await tlsProxy(url, trusting(days));
  return target.href;
};
const ends = (severity: Finding['severity'], days: number) => [{ severity, summary: `ends in ${days} d` }];

describe('[SEC-18] of a connection with TLS, `dragonfly doctor`', () => {
  it.for([
    [60, 'ok'],
    [20, 'warning'],
    [3, 'critical'],
  ] as const)('sees that the certificate of PostgreSQL ends in %i days', async ([days, severity]) => {
    const url = `${await overTls(database.urls.owner, days)}?sslmode=verify-full`;
    const { of } = await doctor({ DRAGONFLY_OWNER_DATABASE_URL: url });
    expect(of('certificate-postgres')).toMatchObject(ends(severity, days - 1));
  });

  describeWithRedis('to Redis', (redis) => {
    it.for([
      [60, 'ok'],
      [20, 'warning'],
      [3, 'critical'],
    ] as const)('sees that the certificate ends in %i days', async ([days, severity]) => {
      const url = (await overTls(redis, days)).replace('redis:', 'rediss:');
      expect((await doctor({ DRAGONFLY_REDIS_URL: url })).of('certificate-redis')).toMatchObject(
        ends(severity, days - 1),
      );
    });

    it('says what ended when nothing connects any more, to PostgreSQL or Redis', async () => {
      const [postgres, cache] = [await overTls(database.urls.owner, -1), await overTls(redis, -1)];
      const { code, of } = await doctor({
        DRAGONFLY_OWNER_DATABASE_URL: `${postgres}?sslmode=verify-full`,
        DRAGONFLY_REDIS_URL: cache.replace('redis:', 'rediss:'),
      });
      expect(code).toBe(1);
      for (const check of ['postgres-reachable', 'redis-reachable']) {
        expect(of(check)).toMatchObject([
          { severity: 'critical', summary: expect.stringContaining('certificate has expired') },
        ]);
      }
    });
  });
});

describeWithRedis('`dragonfly doctor` with Redis', (url) => {
  it('looks at it', async () => {
    const { of } = await doctor({ DRAGONFLY_REDIS_URL: url });
    expect(of('redis-latency')).toMatchObject([
      { summary: expect.stringMatching(/^Redis \d+\.\d+\.\d+, [\d.]+ ms$/) },
    ]);
    expect(of('redis-eviction')).toMatchObject([{ severity: 'ok', summary: 'noeviction, 0 keys evicted' }]);
    expect(of('clock-redis')).toMatchObject([{ severity: 'ok' }]);
  });
});

describe('what the doctor reads of the database', () => {
  it('has the oldest transaction', async () => {
    await owner.query('begin');
    await owner.query('select 1');
    expect((await facts()).longestTransaction).toMatchObject({ application: expect.any(String) });
    await owner.query('rollback');
  });

  it.for(['superuser', 'bypassrls', 'createrole', 'createdb', 'replication'])(
    '[SEC-12] has a role that may too much: %s',
    async (attribute) => {
      const role = `${userOf('readonly')}_${attribute}`;
      await admin.query(`create role ${role} ${attribute}`);
      const { strongRoles } = await facts(role);
      await admin.query(`drop role ${role}`);
      expect(strongRoles).toEqual([role]);
    },
  );

  it('[SEC-11] has tables that are open', async () => {
    await owner.query('create table public.open (n integer)');
    const { openTables } = await facts();
    await owner.query('drop table public.open');
    expect(openTables).toEqual(['open']);
  });

  it('[Q-6] has runs that a live worker holds past their deadline, and no others', async () => {
    const queued = [
      { type: 'slow', payload: 1 },
      { type: 'slow', payload: 2, options: { timeout_seconds: 600 } },
      { type: 'slow', payload: 3 },
      { type: 'unknown', payload: 4 },
      { type: 'unknown', payload: 5, options: { timeout_seconds: 10 } },
    ];
    await owner.query('select ops.queue_jobs($1)', [JSON.stringify(queued)]);
    await owner.query(`select ops.register_heartbeat('holder', 'test')`);
    const { rows } = await owner.query<{ id: string; token: string; payload: number }>(
      `select job_id as id, lease_token as token, payload from ops.claim_jobs('{slow,unknown}', 10, 30, 'holder')`,
    );
    const job = (payload: number) => rows.find((row) => row.payload === payload);
    await owner.query(`select ops.complete_jobs(array[$1::uuid], array[$2::bigint], '{completed}')`, [
      job(3)?.id,
      job(3)?.token,
    ]);
    expect((await facts()).queue.overdue).toEqual([]);
    for (const table of ['claim', 'lease']) {
      await owner.query(`update ops.${table} set claimed_at = claimed_at - interval '2 minutes'
                          where worker_id = 'holder'`);
    }
    const { overdue } = (await facts()).queue;
    expect(overdue.toSorted((a, b) => a.type.localeCompare(b.type))).toEqual([
      { type: 'slow', jobId: job(1)?.id, workerId: 'holder', seconds: expect.closeTo(130, -2) },
      { type: 'unknown', jobId: job(5)?.id, workerId: 'holder', seconds: expect.closeTo(150, -2) },
    ]);
    await owner.query(`update ops.worker set last_seen_at = now() - interval '1 hour' where id = 'holder'`);
    expect((await facts()).queue.overdue, 'those of a dead worker return').toEqual([]);
    await owner.query(`select from ops.reap_stuck_jobs()`);
    await owner.query(`delete from ops.worker where id = 'holder'`);
  });

  it('[Q-1] [DATA-6] has functions that are missing, of another signature, or ambiguous', async () => {
    await owner.query('begin');
    await owner.query(
      `create function ops.register_heartbeat(a text, b text, c integer) returns void language sql return null`,
    );
    await owner.query('alter function ops.queue_job(text, jsonb, integer, timestamptz) rename to enqueue');
    await owner.query('alter function ops.set_idle(text[], boolean) rename to set_idle_before');
    await owner.query('create function ops.set_idle(p_types text[]) returns void language sql return null');
    await owner.query('commit');
    const { faultySignatures } = await facts();
    await owner.query('drop function ops.register_heartbeat(text, text, integer)');
    await owner.query('alter function ops.enqueue(text, jsonb, integer, timestamptz) rename to queue_job');
    await owner.query('drop function ops.set_idle(text[])');
    await owner.query('alter function ops.set_idle_before(text[], boolean) rename to set_idle');
    expect(faultySignatures).toEqual(['queue_job', 'register_heartbeat', 'set_idle']);
    expect((await facts()).faultySignatures).toEqual([]);
  });

  it('has what waits, what is dead, who is silent, and what stands still', async () => {
    await owner.query(
      `select ops.queue_jobs('[{"type": "dies", "payload": 1, "max_attempts": 1}, {"type": "waits", "payload": 1}, {"type": "lost", "payload": 1}]')`,
    );
    await owner.query(
      `select ops.complete_jobs(array[job_id], array[lease_token], '{failed}') from ops.claim_jobs('{dies}', 1, 30, 'w')`,
    );
    await owner.query(`select ops.register_heartbeat('silent', 'test')`);
    await owner.query(`select from ops.claim_jobs('{lost}', 1, 30, 'silent')`);
    await owner.query(
      `update ops.worker set last_seen_at = now() - interval '5 minutes' where id = 'silent'`,
    );
    await owner.query(`select ops.freeze_queues()`);
    const { queue, auditUnsealedSeconds } = await facts();
    await owner.query(`select ops.unfreeze_queues()`);
    expect(queue).toMatchObject({
      workersAlive: 0,
      workersSilent: ['silent'],
      lostLeases: 1,
      daysAhead: 3,
      frozenSeconds: expect.any(Number),
    });
    expect(queue.types).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'dies', dead: 1 }),
        expect.objectContaining({ type: 'waits', depth: 1 }),
      ]),
    );
    expect(auditUnsealedSeconds).toBeGreaterThan(0);
  });
});
