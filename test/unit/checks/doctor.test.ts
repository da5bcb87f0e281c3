import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type PoolPlan, databaseFindings } from '#src/application/checks/database-findings.ts';
import { examine, expecting } from '#src/application/checks/doctor.ts';
import { type EnvironmentFacts, environmentFindings } from '#src/application/checks/environment-findings.ts';
import type { DatabaseFacts, QueueFacts, RedisFacts } from '#src/application/checks/facts.ts';
import { type Finding, verdictOf } from '#src/application/checks/finding.ts';
import { keyExpiry } from '#src/application/checks/key-expiry.ts';
import {
  credentialFindings,
  machineFindings,
  pendingFindings,
  redisFindings,
} from '#src/application/checks/other-findings.ts';
import { queueFindings } from '#src/application/checks/queue-findings.ts';
import type { LiveKey } from '#src/application/checks/security/facts.ts';
import { trustFindings } from '#src/application/checks/trust-findings.ts';
import { type DdlLog, listDirectDdl } from '#src/application/migrations/direct-ddl.ts';
import { examinations } from '#src/composition/doctor.ts';
import { COMPLETE } from '../config/environment.ts';

const NOW_MS = Date.parse('2026-11-27T00:00:00Z');
const inDays = (days: number): number => NOW_MS + days * 86_400_000;
const MIB = 1024 ** 2;

const QUEUE: QueueFacts = {
  types: [{ type: 'a', depth: 1, dead: 0, oldestSeconds: 1 }],
  frozenSeconds: null,
  pauses: [],
  workersAlive: 2,
  workersSilent: [],
  lostLeases: 0,
  overdue: [],
  daysAhead: 3,
};
const DATABASE: DatabaseFacts = {
  version: 180_004,
  settings: { fsync: 'on', full_page_writes: 'on', autovacuum: 'on', synchronous_commit: 'on' },
  connections: { most: 97, used: 10 },
  longestTransaction: null,
  oldestPreparedSeconds: null,
  xidAge: 1_000_000,
  multixactAge: 1000,
  slots: [{ name: 's', active: true, keptBytes: 0 }],
  tables: [{ name: 'ops.ready', bytes: 100 * MIB, live: 1000, dead: 10 }],
  clockSkewSeconds: 0.01,
  certificateExpiresAt: null,
  databaseBytes: 1024 * MIB,
  strongRoles: [],
  openTables: [],
  auditUnsealedSeconds: 0,
  queue: QUEUE,
  faultySignatures: [],
};
const REDIS: RedisFacts = {
  version: '7.0',
  latencyMs: 1,
  maxmemoryPolicy: 'noeviction',
  evictedKeys: 0,
  clockSkewSeconds: 0,
  certificateExpiresAt: null,
};
const PLAN: PoolPlan = { poolMax: 10, replicas: { api: 2, worker: 2 }, isDev: false };
const KEY: LiveKey = {
  organization: 'acme',
  name: 'ci',
  role: 'viewer',
  narrowed: false,
  ageDays: 1,
  lifetimeDays: 90,
  unusedDays: 0,
  endsInDays: 89,
};
const keyWith = (changes: Partial<LiveKey>): LiveKey => ({ ...KEY, ...changes });
const ENVIRONMENT: EnvironmentFacts = {
  faults: [],
  nearMisses: new Map(),
  exposed: [],
  credentials: [],
  variables: 9,
};

const ofDatabase = (changes: Partial<DatabaseFacts> = {}, plan = PLAN): Finding[] => {
  const facts = { ...DATABASE, ...changes };
  return [...databaseFindings(facts, plan), ...trustFindings(facts, NOW_MS)];
};
const ofQueue = (changes: Partial<QueueFacts> = {}): Finding[] => queueFindings({ ...QUEUE, ...changes });
const ofRedis = (changes: Partial<RedisFacts> = {}): Finding[] =>
  redisFindings({ ...REDIS, ...changes }, NOW_MS);
const ofKeys = (...endings: readonly (number | null)[]): Finding[] => [
  keyExpiry(endings.map((endsInDays) => keyWith({ endsInDays }))),
];
const ofMachine = (freeTemporaryBytes: number): Finding[] =>
  machineFindings({ temporaryFolder: '/tmp', freeTemporaryBytes });
const ofEnvironment = (changes: Partial<EnvironmentFacts> = {}): Finding[] =>
  environmentFindings({ ...ENVIRONMENT, ...changes });
const run = (type: string, seconds: number) => ({ type, jobId: 'j', workerId: 'w', seconds });
const withSettings = (changes: Partial<DatabaseFacts['settings']>): Partial<DatabaseFacts> => ({
  settings: { ...DATABASE.settings, ...changes },
});
const bad = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity !== 'ok').map(({ check, severity }) => `${check} ${severity}`);

/** Everything that can be found, in order. */
const WELL = [
  ...ofDatabase(),
  ...ofQueue(),
  ...ofRedis(),
  ...ofKeys(89),
  ...ofMachine(1024 * MIB),
  ...ofEnvironment(),
  ...pendingFindings({ pending: [] }),
];

describe('the doctor', () => {
  it('has nothing to say of what is in order, and says that it looked', () => {
    expect(bad(WELL)).toEqual([]);
    expect(WELL.length).toBeGreaterThan(20);
    expect(verdictOf(WELL)).toBe('pass');
  });

  const cases: [string, Finding[], string][] = [
    ['an old server', ofDatabase({ version: 140_010 }), 'postgres-version critical'],
    ['fsync off', ofDatabase(withSettings({ fsync: 'off' })), 'postgres-settings critical'],
    [
      'no torn page protection',
      ofDatabase(withSettings({ full_page_writes: 'off' })),
      'postgres-settings critical',
    ],
    ['autovacuum off', ofDatabase(withSettings({ autovacuum: 'off' })), 'postgres-settings critical'],
    [
      'commits that do not wait',
      ofDatabase(withSettings({ synchronous_commit: 'off' })),
      'postgres-settings critical',
    ],
    [
      '[ARC-10] more pools than connections',
      ofDatabase({}, { ...PLAN, replicas: { api: 8, worker: 2 } }),
      'connection-headroom critical',
    ],
    [
      '[ARC-10] replicas that nobody has counted',
      ofDatabase({}, { ...PLAN, replicas: undefined }),
      'connection-headroom warning',
    ],
    [
      'connections nearly used up',
      ofDatabase({ connections: { most: 97, used: 88 } }),
      'connection-headroom warning',
    ],
    [
      'a transaction of an hour',
      ofDatabase({ longestTransaction: { seconds: 3600, pid: 7, application: 'psql' } }),
      'long-transaction warning',
    ],
    [
      'a transaction of a day',
      ofDatabase({ longestTransaction: { seconds: 86_400, pid: 7, application: '' } }),
      'long-transaction critical',
    ],
    [
      'a forgotten prepared transaction',
      ofDatabase({ oldestPreparedSeconds: 4000 }),
      'prepared-transaction critical',
    ],
    ['xids running out', ofDatabase({ xidAge: 600_000_000 }), 'wraparound warning'],
    ['multixacts running out', ofDatabase({ multixactAge: 1_600_000_000 }), 'wraparound critical'],
    [
      'a slot that nobody reads',
      ofDatabase({ slots: [{ name: 's', active: false, keptBytes: 2048 * MIB }] }),
      'replication-slot warning',
    ],
    [
      'a table of dead rows',
      ofDatabase({ tables: [{ name: 'ops.ready', bytes: 100 * MIB, live: 10, dead: 11 }] }),
      'bloat warning',
    ],
    ['[SEC-12] a superuser at run time', ofDatabase({ strongRoles: ['api'] }), 'runtime-roles critical'],
    [
      '[SEC-11] a table without forced security',
      ofDatabase({ openTables: ['public.t'] }),
      'row-security critical',
    ],
    ['no seals', ofDatabase({ auditUnsealedSeconds: 61 }), 'audit-seal warning'],
    [
      '[DATA-8] more than a restore brings back in time',
      ofDatabase({ databaseBytes: 26 * 1024 * MIB }),
      'database-size warning',
    ],
    ['[SEC-5] a key that ends', ofKeys(3), 'key-expiry warning'],
    ['[SEC-5] a key whose successor ends, too', ofKeys(3, 6), 'key-expiry warning'],
    [
      '[Q-1] a missing function',
      ofDatabase({ faultySignatures: ['queue_job'] }),
      'canonical-signatures critical',
    ],
    ['a clock that is ahead', ofDatabase({ clockSkewSeconds: 2 }), 'clock-postgres warning'],
    ['a clock that is behind', ofRedis({ clockSkewSeconds: -11 }), 'clock-redis critical'],
    [
      'a certificate that ends in 10 days',
      ofDatabase({ certificateExpiresAt: inDays(10) }),
      'certificate-postgres warning',
    ],
    ['a certificate that ended', ofRedis({ certificateExpiresAt: inDays(-1) }), 'certificate-redis critical'],
    ['a slow Redis', ofRedis({ latencyMs: 21 }), 'redis-latency warning'],
    ['a Redis that forgets', ofRedis({ maxmemoryPolicy: 'allkeys-lru' }), 'redis-eviction warning'],
    ['a Redis that forgot', ofRedis({ evictedKeys: 1 }), 'redis-eviction warning'],
    [
      'jobs that wait for 10 minutes',
      ofQueue({ types: [{ type: 'a', depth: 1, dead: 0, oldestSeconds: 600 }] }),
      'oldest-job warning',
    ],
    [
      'dead letters',
      ofQueue({ types: [{ type: 'a', depth: 0, dead: 1, oldestSeconds: 0 }] }),
      'dead-letters warning',
    ],
    ['jobs and no worker', ofQueue({ workersAlive: 0 }), 'workers critical'],
    ['no worker and no jobs', ofQueue({ workersAlive: 0, types: [] }), 'workers warning'],
    ['a silent worker', ofQueue({ workersSilent: ['w'] }), 'silent-workers warning'],
    ['a lost lease', ofQueue({ lostLeases: 1 }), 'lost-leases warning'],
    ['[Q-6] a run past its deadline', ofQueue({ overdue: [run('a', 90)] }), 'overdue-jobs warning'],
    ['queues just frozen', ofQueue({ frozenSeconds: 1 }), 'frozen warning'],
    ['queues frozen for long', ofQueue({ frozenSeconds: 3600 }), 'frozen critical'],
    ['a pause of a day', ofQueue({ pauses: [{ type: 'a', seconds: 86_400 }] }), 'long-pause warning'],
    ['one day ahead', ofQueue({ daysAhead: 1 }), 'partitions warning'],
    ['no partition for tomorrow', ofQueue({ daysAhead: 0 }), 'partitions critical'],
    [
      '[SEC-18] a secret of 80 days',
      credentialFindings([{ name: 'A', fromFile: true, ageDays: 80 }]),
      'credential-age warning',
    ],
    [
      '[SEC-18] a secret of 91 days',
      credentialFindings([{ name: 'A', fromFile: true, ageDays: 91 }]),
      'credential-age critical',
    ],
    [
      '[SEC-18] a secret that cannot be replaced',
      credentialFindings([{ name: 'A', fromFile: false, ageDays: null }]),
      'credential-source warning',
    ],
    ['little room', ofMachine(100 * MIB), 'disk warning'],
    ['no room', ofMachine(MIB), 'disk critical'],
    ['a pending migration', pendingFindings({ pending: ['1'] }), 'migrations critical'],
    ['[DEP-6] a faulty variable', ofEnvironment({ faults: ['X: no'] }), 'variable critical'],
    [
      '[DEP-6] a mistyped name',
      ofEnvironment({ nearMisses: new Map([['PROT', 'PORT']]) }),
      'near-miss warning',
    ],
    ['[K8S-5] a secret in public', ofEnvironment({ exposed: ['X'] }), 'tier critical'],
  ];

  it.each(cases)('finds %s', (_, findings, expected) => {
    expect(bad(findings)).toEqual([expected]);
    const finding = findings.find(({ severity }) => severity !== 'ok');
    expect(finding).toMatchObject({
      explanation: expect.stringMatching(/[.?]$/),
      runbook: `docs/runbooks/doctor.md#${expected.split(' ')[0] ?? ''}`,
    });
  });

  it('[DOC-1] has a case of everything that it looks at', () => {
    const found = new Set(cases.map(([, , expected]) => expected.split(' ')[0]));
    expect(WELL.map(({ check }) => check).filter((check) => !found.has(check))).toEqual([]);
  });

  it('takes a successor, and a key without an end, for well', () => {
    expect(bad([...ofKeys(3, 80), ...ofKeys(1, null)])).toEqual([]);
  });

  it('counts of many keys and runs', () => {
    const keys = Array.from({ length: 12 }, (_, n) => keyWith({ name: `k${n}`, endsInDays: 1 }));
    expect(keyExpiry(keys).summary).toMatch(/^acme\/k0 ends in 1 d, .* and 2 more$/);
    const runs = [...Array.from({ length: 7 }, (_, n) => ({ ...run('a', n), jobId: `j${n}` })), run('b', 9)];
    expect(ofQueue({ overdue: runs }).filter(({ check }) => check === 'overdue-jobs')).toMatchObject([
      { summary: 'a: 7 past the deadline, one by 6 s', mend: expect.stringContaining('and 2 more') },
      { summary: 'b: 1 past the deadline, one by 9 s' },
    ]);
  });

  it('[ARC-10] needs no number of replicas in development', () => {
    expect(bad(ofDatabase({}, { ...PLAN, replicas: undefined, isDev: true }))).toEqual([]);
  });

  it('takes a pause for the reason why its jobs are old', () => {
    const types = [{ type: 'a', depth: 1, dead: 0, oldestSeconds: 600 }];
    expect(bad(ofQueue({ types, pauses: [{ type: 'a', seconds: 60 }] }))).toEqual([]);
  });

  it('takes what it cannot look at for the worst', async () => {
    const fine = { name: 'fine', examine: async () => Promise.resolve(pendingFindings({ pending: [] })) };
    const away = { name: 'postgres', examine: async () => Promise.reject(new Error('gone')) };
    expect(await examine([away, fine], (error) => (error as Error).message)).toMatchObject([
      { check: 'postgres-reachable', severity: 'critical', summary: 'gone' },
      { check: 'migrations', severity: 'ok' },
    ]);
  });
});

const headingsOf = (page: string): ReadonlySet<string | undefined> =>
  new Set([...readFileSync(page, 'utf8').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading));

describe('[DOC-1] the runbook has a heading for', () => {
  const headings = headingsOf('docs/runbooks/doctor.md');

  it('every finding of the doctors', () => {
    expect(WELL.map(({ check }) => check).filter((check) => !headings.has(check))).toEqual([]);
  });

  it('whatever cannot be looked at, with an explanation', async () => {
    const names = examinations(COMPLETE).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['postgres', 'redis', 'direct-ddl']));
    const broken = names.map((name) => ({ name, examine: async () => Promise.reject(new Error('gone')) }));
    const findings = await examine(broken, () => 'gone');
    expect(findings).toHaveLength(names.length);
    for (const { check, explanation, runbook } of findings) {
      expect(headings).toContain(check);
      expect({ explanation, runbook }).toEqual({
        explanation: expect.stringMatching(/[.?]$/),
        runbook: `docs/runbooks/doctor.md#${check}`,
      });
    }
  });

  it('direct DDL', async () => {
    const entry = {
      id: '1',
      at: 'now',
      role: 'x',
      application: '',
      command: 'DROP TABLE',
      object: 'ops.job',
    };
    const log: DdlLog = {
      state: async () => Promise.resolve('off'),
      unacknowledged: async () => Promise.resolve([entry]),
      acknowledge: async () => Promise.resolve(0),
    };
    const findings = await listDirectDdl(log);
    expect(findings).toHaveLength(2);
    for (const { explanation, runbook = '' } of findings) {
      expect(explanation).toBeTruthy();
      const [page = '', anchor = ''] = runbook.split('#');
      const anchors = [...headingsOf(page)].map((heading) => heading?.toLowerCase().replaceAll(' ', '-'));
      expect(anchors).toContain(anchor);
    }
  });
});

it('[DEP-4] takes for well what is expected of a check, and nothing else', () => {
  const disk: Finding = { check: 'disk', severity: 'critical', summary: 'full' };
  const frozen: Finding = { check: 'frozen', severity: 'warning', summary: 'for 9 s' };
  expect(expecting([frozen, disk], ['frozen'])).toEqual([
    { check: 'frozen', severity: 'ok', summary: 'for 9 s, as expected' },
    disk,
  ]);
});
