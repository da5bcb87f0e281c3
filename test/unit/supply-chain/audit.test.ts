import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Advisory, type Severity, advisoriesOf } from '../../../scripts/audit/report.ts';
import { type AcceptedAdvisory, acceptedAdvisories } from '#src/application/release/triage.ts';
import { faults } from '../../../scripts/audit/verdict.ts';

const TODAY = '2026-12-01';
const ID = 'GHSA-aaaa-bbbb-cccc';

const advisory = (severity: Severity): Advisory => ({
  id: ID,
  dependency: 'pack',
  severity,
  title: 'It leaks',
});
const exception = (until: string, dependency = 'pack'): AcceptedAdvisory[] => [
  {
    advisory: ID,
    dependency,
    reason: 'The faulty function is not called.',
    plan: 'Update when 2.0 is out.',
    approver: 'maintainers',
    until,
  },
];
const inDevelopment = (severity: Severity) => ({ all: [advisory(severity)], production: [] });
const inProduction = (severity: Severity) => ({
  all: [advisory(severity)],
  production: [advisory(severity)],
});

describe('[SEC-17] the verdict on advisories', () => {
  it.each(['high', 'critical'] as const)('a %s one blocks wherever it is', (severity) => {
    const fault = `pack: ${severity}: It leaks (https://github.com/advisories/${ID})`;
    expect(faults(inDevelopment(severity), [], TODAY)).toEqual([fault]);
    expect(faults(inProduction(severity), [], TODAY)).toEqual([fault]);
  });

  it('a moderate one blocks in what is deployed only, a low one nowhere', () => {
    expect(faults(inProduction('moderate'), [], TODAY)).toHaveLength(1);
    expect(faults(inDevelopment('moderate'), [], TODAY)).toEqual([]);
    expect(faults(inProduction('low'), [], TODAY)).toEqual([]);
  });

  it('an exception holds to the end of its last day, and blocks itself afterwards', () => {
    expect(faults(inProduction('critical'), exception(TODAY), TODAY)).toEqual([]);
    expect(faults(inProduction('critical'), exception('2026-11-30'), TODAY)).toEqual([
      expect.stringContaining('It leaks'),
      `The exception for ${ID} ended on 2026-11-30.`,
    ]);
  });

  it('[DOC-3] an exception is for one package, for 13 days at most, and only while it is needed', () => {
    const elsewhere = exception(TODAY, 'other');
    expect(faults(inProduction('high'), elsewhere, TODAY)).toHaveLength(2);
    expect(faults(inProduction('high'), exception('2026-12-14'), TODAY)).toEqual([]);
    expect(faults(inProduction('high'), exception('2026-12-15'), TODAY)).toEqual([
      `The exception for ${ID} until 2026-12-15 is longer than 13 days.`,
    ]);
    expect(faults({ all: [], production: [] }, exception(TODAY), TODAY)).toEqual([
      `The exception for ${ID} has no use: pack has it no more.`,
    ]);
  });

  it.each([
    { reason: 'later' },
    { plan: '' },
    { approver: undefined },
    { until: 'soon' },
    { until: undefined },
    { advisory: '*' },
  ])('[DOC-3] an exception with %j is refused', (fault) => {
    const [entry] = exception(TODAY);
    expect(acceptedAdvisories.safeParse([{ ...entry, ...fault }]).success).toBe(false);
  });
});

const cause = { source: 1, name: 'pack', title: 'It leaks', severity: 'high', range: '<2' };
const report = (...via: readonly unknown[]): string =>
  JSON.stringify({ auditReportVersion: 2, vulnerabilities: { pack: { name: 'pack', via } }, metadata: {} });

describe('[SEC-17] the report of npm', () => {
  it('has each advisory once, however many packages lead to it', () => {
    const url = `https://github.com/advisories/${ID}`;
    expect(advisoriesOf(report({ ...cause, url }, 'other', { ...cause, url }))).toEqual([advisory('high')]);
    expect(advisoriesOf(JSON.stringify({ auditReportVersion: 2, vulnerabilities: {} }))).toEqual([]);
  });

  it.each([
    ['the error of a registry without the endpoint', '{"message":"405 Method Not Allowed","statusCode":405}'],
    ['no network', '{"error":{"code":"ENOTFOUND","summary":"","detail":""}}'],
    ['nothing', ''],
    ['text', '<html>504 Gateway Time-out</html>'],
    ['a format that is not known', '{"auditReportVersion":3,"vulnerabilities":{}}'],
  ])('%s is no report, rather than one without advisories', (_, output) => {
    expect(advisoriesOf(output)).toBeUndefined();
  });
});

describe('[SEC-17] the audit', () => {
  const NOT_CHECKED = 77;
  const NOTHING_KNOWN = '{"auditReportVersion":2,"vulnerabilities":{}}';
  const NO_ENDPOINT = '{"message":"405 Method Not Allowed","statusCode":405}';
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dragonfly-audit-'));
    mkdirSync(join(folder, '.ci'));
    writeFileSync(join(folder, '.ci/audit-exceptions.json'), '[]');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('passes when nothing is known', () => {
    expect(audit(NOTHING_KNOWN)).toMatchObject({ status: 0, stderr: '' });
  });

  it('fails with an advisory, and names it', () => {
    const url = `https://github.com/advisories/${ID}`;
    expect(audit(report({ ...cause, url }))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(url),
    });
  });

  it('has not checked when the registry gives no answer, and says so', () => {
    expect(audit(NO_ENDPOINT)).toMatchObject({
      status: NOT_CHECKED,
      stderr: expect.stringContaining('NOT CHECKED'),
    });
  });

  it('fails without an answer where one is required', () => {
    expect(audit(NO_ENDPOINT, { REQUIRE_AUDIT: '1' }).status).toBe(1);
  });

  /** With an npm that prints this, and fails as npm does. */
  function audit(output: string, variables: NodeJS.ProcessEnv = {}) {
    writeFileSync(join(folder, 'npm'), `#!/bin/sh\ncat <<'END'\n${output}\nEND\nexit 1\n`, { mode: 0o755 });
    const { REQUIRE_AUDIT: _, PATH = '', ...env } = process.env;
    return spawnSync(process.execPath, [resolve(import.meta.dirname, '../../../scripts/audit/main.ts')], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...env, PATH: folder + delimiter + PATH, ...variables },
    });
  }
});
