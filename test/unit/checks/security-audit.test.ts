import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Finding, verdictOf } from '#src/application/checks/finding.ts';
import {
  type ConfigurationSecurity,
  configurationFindings,
} from '#src/application/checks/security/configuration-findings.ts';
import {
  auditLogFindings,
  connectionFindings,
} from '#src/application/checks/security/connection-findings.ts';
import type { DatabaseSecurity, LiveKey, RoleFacts } from '#src/application/checks/security/facts.ts';
import { type ExpectedGrant, grantFindings } from '#src/application/checks/security/grant-findings.ts';
import { httpFindings } from '#src/application/checks/security/http-findings.ts';
import { keyFindings } from '#src/application/checks/security/key-findings.ts';
import type { HttpTarget, Outside } from '#src/application/checks/security/look.ts';
import { roleFindings } from '#src/application/checks/security/role-findings.ts';
import { rowFindings } from '#src/application/checks/security/row-findings.ts';
import { treeFindings } from '#src/application/checks/security/tree-findings.ts';
import type { HttpAnswer } from '#src/application/smoke/ports.ts';
import { configurationSecurity } from '#src/composition/configuration-security.ts';
import { readConfig } from '#src/config/load.ts';
import { COMPLETE } from '../config/environment.ts';

const role = (name: string, changes: Partial<RoleFacts> = {}): RoleFacts => ({
  name,
  attributes: [],
  memberOf: [],
  owns: [],
  createsIn: [],
  tables: [],
  ...changes,
});
const ROLES = { owner: role('o'), api: role('a'), worker: role('w'), readonly: role('r') };
const DATABASE: DatabaseSecurity = {
  roles: ROLES,
  missingRoles: [],
  grants: [
    { role: 'a', kind: 'database', object: 'app', privileges: 'connect' },
    { role: 'a', kind: 'function', object: 'ops.f()', privileges: 'execute' },
  ],
  tables: [
    {
      name: 't',
      forced: true,
      policies: [{ name: 'own', expressions: ['(id = ops.current_organization())'] }],
    },
  ],
  leakyViews: [],
  functions: [{ name: 'ops.f()', definer: true, searchPath: 'pg_catalog, pg_temp', open: false }],
  publicSchemas: [],
  defaultPrivileges: [],
  recordsDdl: true,
  connection: 'tls',
  passwordEncryption: 'scram-sha-256',
};
const EXPECTED: readonly ExpectedGrant[] = [
  ['api', 'database', 'the database', 'connect'],
  ['api', 'function', 'ops.f()', 'execute'],
];
const ofDatabase = (
  changes: Partial<DatabaseSecurity> = {},
  expected = EXPECTED,
  isDev = false,
): Finding[] => {
  const facts = { ...DATABASE, ...changes };
  return [
    ...roleFindings(facts),
    ...grantFindings(facts, expected),
    ...rowFindings(facts),
    ...connectionFindings(facts, isDev),
  ];
};
const ofRole = (changes: Partial<RoleFacts>, of: keyof typeof ROLES = 'api'): Finding[] =>
  ofDatabase({ roles: { ...ROLES, [of]: role(of, changes) } }, [], true).filter(
    ({ check }) => check !== 'grants',
  );
const withGrant = (grant: DatabaseSecurity['grants'][number]): Finding[] =>
  ofDatabase({ grants: [...DATABASE.grants, grant] });
const ofTable = (expressions: readonly string[], forced = true): Finding[] =>
  ofDatabase({ tables: [{ name: 't', forced, policies: [{ name: 'p', expressions }] }] });
const ofFunction = (searchPath: string | null, open = false, definer = true): Finding[] =>
  ofDatabase({ functions: [{ name: 'ops.f()', definer, searchPath, open }] });

const KEY: LiveKey = {
  organization: 'acme',
  name: 'app',
  role: 'service',
  narrowed: false,
  ageDays: 60,
  lifetimeDays: 90,
  unusedDays: 1,
  endsInDays: 30,
};
const ofKey = (changes: Partial<LiveKey> = {}): Finding[] => keyFindings([{ ...KEY, ...changes }]);

const CONFIGURATION: ConfigurationSecurity = {
  isDev: false,
  faults: [],
  weakSecrets: [],
  plainUrls: [],
  origins: ['https://app.example.com'],
  trustedProxies: ['10.0.0.0/8', 'fc00::/7'],
  hasMetricsToken: true,
  hasWebhookSecret: true,
  allowsLoopback: false,
  limits: { authenticated: 100, anonymous: 20 },
};
const ofConfiguration = (changes: Partial<ConfigurationSecurity> = {}): Finding[] =>
  configurationFindings({ ...CONFIGURATION, ...changes });

const HEADERS = { 'x-frame-options': 'DENY' };
const answer = (status: number, more: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  headers: { ...HEADERS, 'content-type': 'application/problem+json' },
  text: JSON.stringify({
    type: 'https://example.com/problems/x',
    status,
    code: 'x',
    trace_id: 'a'.repeat(32),
  }),
  ms: 1,
  ...more,
});
const left = (count: number): HttpAnswer =>
  answer(404, { headers: { ...HEADERS, ratelimit: `"anonymous";r=${count};t=60` } });
const TARGET: HttpTarget = {
  url: 'https://api.example.com',
  opsUrl: undefined,
  isDev: false,
  securityHeaders: HEADERS,
};
const OUTSIDE: Outside = {
  round: {
    alive: answer(200),
    ready: answer(200),
    notFound: answer(404),
    unauthorized: answer(401),
    deniedPreflight: answer(204),
    allowedPreflight: undefined,
    metrics: answer(401),
  },
  forged: [left(17), left(16)],
  otherHost: answer(421),
  metricsOfApi: answer(404),
};
const fromOutside = (changes: Partial<Outside> = {}, target: Partial<HttpTarget> = {}): Finding[] =>
  httpFindings({ ...OUTSIDE, ...changes }, { ...TARGET, ...target });
const metrics = (status: number, isDev = false): Finding[] =>
  fromOutside({ round: { ...OUTSIDE.round, metrics: answer(status) } }, { isDev });

const bad = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity !== 'ok').map(({ check, severity }) => `${check} ${severity}`);

describe('[SEC-11] [SEC-12] the security audit', () => {
  it('has nothing to say of what is in order, and says that it looked', () => {
    const all = [
      ...ofDatabase(),
      ...ofKey(),
      ...ofConfiguration(),
      ...fromOutside(),
      ...treeFindings(['.env.example', 'src/key.ts']),
      ...auditLogFindings({
        seals: 1,
        entries: 1,
        prunedThrough: null,
        head: null,
        faults: [{ kind: 'entry_unsealed', seal: null, entries: [] }],
      }),
    ];
    expect(bad(all)).toEqual([]);
    expect(all.length).toBeGreaterThan(35);
    expect(verdictOf(all)).toBe('pass');
  });

  const cases: [string, Finding[], string][] = [
    ['[SEC-12] a role that is not there', ofDatabase({ missingRoles: ['x'] }), 'role-missing critical'],
    [
      '[SEC-11] an owner that no policy binds',
      ofRole({ attributes: ['superuser'] }, 'owner'),
      'owner-bound critical',
    ],
    ['[SEC-12] a role that replicates', ofRole({ attributes: ['replication'] }), 'role-attributes critical'],
    ['[SEC-12] a role in another', ofRole({ memberOf: ['pg_monitor'] }), 'role-membership critical'],
    ['[SEC-12] a role that owns', ofRole({ owns: ['ops.x'] }), 'role-owns critical'],
    ['[SEC-12] a role that creates', ofRole({ createsIn: ['schema x'] }), 'role-creates critical'],
    ['[SEC-11] a role that reads a table', ofRole({ tables: ['ops.ready'] }), 'table-access critical'],
    [
      '[SEC-12] a privilege too many',
      withGrant({ role: 'a', kind: 'relation', object: 'ops.jobs', privileges: 'select' }),
      'grants critical',
    ],
    [
      '[SEC-12] a grant to a stranger',
      withGrant({ role: 'x', kind: 'function', object: 'ops.f()', privileges: 'execute' }),
      'grants critical',
    ],
    [
      '[SEC-12] a stranger of the name of a role',
      withGrant({ role: 'api', kind: 'function', object: 'ops.f()', privileges: 'execute' }),
      'grants critical',
    ],
    [
      '[SEC-12] everybody who connects',
      withGrant({ role: 'PUBLIC', kind: 'database', object: 'app', privileges: 'connect' }),
      'grants critical',
    ],
    [
      '[SEC-12] a grant that is gone',
      ofDatabase({}, [...EXPECTED, ['worker', 'schema', 'ops', 'usage']]),
      'grants-missing warning',
    ],
    [
      '[SEC-11] a schema of everybody',
      ofDatabase({ publicSchemas: ['usage on schema ops'] }),
      'public-schema critical',
    ],
    [
      '[SEC-12] what later objects grant',
      ofDatabase({ defaultPrivileges: [{ says: 'x', mend: 'y' }] }),
      'default-privileges critical',
    ],
    [
      '[SEC-11] a table that is open',
      ofTable(['ops.current_organization()'], false),
      'row-security critical',
    ],
    ['[SEC-11] a policy without a key', ofTable(['(created_at > now())']), 'row-policy critical'],
    [
      '[SEC-11] a write that no policy asks',
      ofTable(['ops.current_organization()', 'true']),
      'row-policy critical',
    ],
    ['[SEC-11] a view that leaks', ofDatabase({ leakyViews: ['ops.jobs'] }), 'view-barrier critical'],
    ['[SEC-12] a function of everybody', ofFunction('pg_catalog, pg_temp', true), 'function-public critical'],
    ['[SEC-12] a search_path without an end', ofFunction('pg_catalog'), 'search-path critical'],
    ['[SEC-12] no search_path', ofFunction(null), 'search-path critical'],
    ['[SEC-1] a way in plain text', ofDatabase({ connection: 'plain' }), 'database-tls critical'],
    ['[SEC-1] MD5', ofDatabase({ passwordEncryption: 'md5' }), 'password-encryption critical'],
    ['[SEC-5] a key without an end', ofKey({ lifetimeDays: null }), 'key-lifetime critical'],
    ['[SEC-5] a key for 91 days', ofKey({ lifetimeDays: 91 }), 'key-lifetime critical'],
    ['[SEC-5] a key that was never used', ofKey({ unusedDays: null }), 'key-unused warning'],
    ['[SEC-5] a key that is forgotten', ofKey({ unusedDays: 30 }), 'key-unused warning'],
    ['[SEC-2] a fault', ofConfiguration({ faults: ['X: required.'] }), 'configuration critical'],
    ['[SEC-2] a weak secret', ofConfiguration({ weakSecrets: ['X: guessable'] }), 'secret-strength critical'],
    ['[SEC-1] a URL without TLS', ofConfiguration({ plainUrls: ['X'] }), 'database-url warning'],
    ['[SEC-10] every origin', ofConfiguration({ origins: ['*'] }), 'cors-any critical'],
    [
      '[SEC-9] half of the internet',
      ofConfiguration({ trustedProxies: ['128.0.0.0/1'] }),
      'trusted-proxies critical',
    ],
    ['[SEC-9] all of IPv6', ofConfiguration({ trustedProxies: ['::/0'] }), 'trusted-proxies critical'],
    ['[SEC-3] no token', ofConfiguration({ hasMetricsToken: false }), 'metrics-token critical'],
    ['[SEC-1] no signature', ofConfiguration({ hasWebhookSecret: false }), 'webhook-secret critical'],
    ['[SEC-15] loopback', ofConfiguration({ allowsLoopback: true }), 'webhook-loopback critical'],
    [
      '[SEC-8] a limit that is none',
      ofConfiguration({ limits: { authenticated: 10_001, anonymous: 20 } }),
      'rate-limits warning',
    ],
    ['[SEC-1] a file of secrets', treeFindings(['deploy/.env.production']), 'tracked-secrets critical'],
    ['[SEC-1] a private key', treeFindings(['tls/server.pem']), 'tracked-secrets critical'],
    ['[SEC-14] HTTP', fromOutside({}, { url: 'http://api.example.com' }), 'transport critical'],
    [
      '[SEC-14] a product',
      fromOutside({ metricsOfApi: answer(404, { headers: { ...HEADERS, 'x-powered-by': 'x' } }) }),
      'telling-headers warning',
    ],
    [
      '[AV-5] a stack',
      fromOutside({ forged: [{ ...left(2), text: 'Error: x\n    at f (x.js:1:1)' }, left(1)] }),
      'telling-bodies critical',
    ],
    [
      '[SEC-13] a forged host',
      fromOutside({ otherHost: answer(301, { text: 'https://forged.dragonfly-audit.invalid/' }) }),
      'forged-host critical',
    ],
    ['[SEC-9] a forged client', fromOutside({ forged: [left(19), left(19)] }), 'forged-client warning'],
    [
      '[SEC-9] a limit that does not show',
      fromOutside({ forged: [answer(404), answer(404)] }),
      'forged-client warning',
    ],
    ['[SEC-3] metrics for all', metrics(200), 'metrics-port critical'],
    ['[SEC-3] metrics that fail', metrics(500, true), 'metrics-port critical'],
    ['[SEC-3] metrics of the API', fromOutside({ metricsOfApi: answer(200) }), 'metrics-of-api critical'],
    [
      '[SEC-4] a log that was changed',
      auditLogFindings({
        seals: 1,
        entries: 1,
        prunedThrough: null,
        head: null,
        faults: [{ kind: 'chain_broken', seal: 1n, entries: [] }],
      }),
      'audit-log critical',
    ],
  ];

  it.each(cases)('finds %s', (title, findings, expected) => {
    expect(bad(findings)).toEqual([expected]);
    const finding = findings.find(({ severity }) => severity !== 'ok');
    const [law = ''] = /(?<=\[)[^\]]+/.exec(title) ?? [];
    expect(finding).toMatchObject({
      explanation: expect.stringMatching(new RegExp(`^${law}: `)),
      runbook: `docs/runbooks/security-audit.md#${expected.split(' ')[0] ?? ''}`,
    });
  });

  it('lets in dev what only dev may do', () => {
    const everything = { weakSecrets: ['x'], origins: ['*'], hasMetricsToken: false, allowsLoopback: true };
    expect(bad(ofConfiguration({ ...everything, isDev: true }))).toEqual([]);
    expect(bad(ofDatabase({ connection: 'plain' }, EXPECTED, true))).toEqual([]);
    expect(bad(metrics(200, true))).toEqual([]);
    expect(bad(fromOutside({}, { isDev: true, url: 'http://api.example.com' }))).toEqual([]);
  });

  it('has nothing against a backup that connects, nor a server that cannot record direct DDL', () => {
    expect(
      bad(withGrant({ role: 'backup', kind: 'database', object: 'app', privileges: 'connect' })),
    ).toEqual([]);
    const log: ExpectedGrant = ['owner', 'schema', 'ddl_log', 'usage'];
    expect(bad(ofDatabase({ recordsDdl: false }, [...EXPECTED, log]))).toEqual([]);
    expect(bad(ofDatabase({}, [...EXPECTED, log]))).toEqual(['grants-missing warning']);
  });

  it('judges no variable of a role that is not looked at', () => {
    const values = {
      origins: undefined,
      trustedProxies: undefined,
      hasMetricsToken: undefined,
      hasWebhookSecret: undefined,
      allowsLoopback: undefined,
      limits: undefined,
    };
    expect(bad(ofConfiguration(values))).toEqual([]);
  });

  it('warns of a port that it was not to look at', () => {
    const findings = fromOutside({ round: { ...OUTSIDE.round, metrics: undefined } });
    expect(bad(findings)).toEqual(['metrics-port-skipped warning']);
  });

  it('says so where there is no checkout', () => {
    expect(treeFindings(undefined)).toMatchObject([{ severity: 'ok', summary: /no checkout/ }]);
  });
});

const url = (query: string, host = 'db.internal') => ({
  DRAGONFLY_API_DATABASE_URL: `postgres://dragonfly_api:x@${host}/app${query}`,
  DRAGONFLY_WORKER_DATABASE_URL: 'postgres://dragonfly_worker:x@127.0.0.1/app',
});

const read = (changes: Record<string, string>) => {
  const { values, faults } = readConfig(['api', 'worker'], { ...COMPLETE, ...changes });
  return configurationSecurity(values, faults);
};

describe('[SEC-1] the configuration as the audit reads it', () => {
  it('has no secret in it', () => {
    const text = JSON.stringify(read({ DRAGONFLY_WEBHOOK_SECRET: 'example example example example 7' }));
    expect(text).toContain('DRAGONFLY_WEBHOOK_SECRET: guessable');
    expect(text).not.toContain('example example');
    expect(text).not.toContain(COMPLETE.DRAGONFLY_METRICS_TOKEN);
  });

  it.each([
    ['', 'db.internal', ['DRAGONFLY_API_DATABASE_URL']],
    ['?sslmode=disable', 'db.internal', ['DRAGONFLY_API_DATABASE_URL']],
    ['?sslmode=verify-full', 'db.internal', []],
    ['?ssl=true', 'db.internal', []],
    ['', 'localhost', []],
    ['?host=/run/postgresql', 'x', []],
    ['?host=db.internal', 'localhost', ['DRAGONFLY_API_DATABASE_URL']],
  ])('takes a URL with %o at %s for plain: %o', (query, host, plain) => {
    expect(read(url(query, host)).plainUrls).toEqual(plain);
  });
});

it('[DOC-1] every finding of the audit has its heading in the runbook', () => {
  const sources = globSync('src/application/checks/security/*.ts').map((path) => readFileSync(path, 'utf8'));
  const checks = sources.flatMap((text) =>
    [
      ...text.matchAll(/\b(?:audited|none)\(\s*'([a-z-]+)'/g),
      ...text.matchAll(/\bconst check = '([a-z-]+)'/g),
    ].map(([, check]) => check),
  );
  expect(new Set(checks).size).toBeGreaterThan(35);
  const page = readFileSync('docs/runbooks/security-audit.md', 'utf8');
  const there = new Set([...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading));
  expect(checks.filter((check) => !there.has(check))).toEqual([]);
  expect(there).toContain('could not look');
  expect(there).toContain('not looked at');
});
