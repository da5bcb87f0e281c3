import { describe, expect, it } from 'vitest';
import { acceptedGate } from '#src/application/release/gate-report.ts';
import { NEW, OLD, STARTED } from './world.ts';

const WANTED = {
  sha: NEW,
  env: 'prod',
  strict: true,
  hashes: { migrations: 'm1' },
  checks: ['tests', 'build'],
};
const REPORT = {
  sha: NEW,
  env: 'prod',
  strict: true,
  started_at: '2026-11-27T23:30:00.000Z',
  passed: true,
  hashes: { migrations: 'm1' },
  checks: [
    { name: 'tests', verdict: 'pass', duration_ms: 1 },
    { name: 'build', verdict: 'pass', duration_ms: 1 },
  ],
  logs: null,
};

describe('[DEP-4] the report of a gate of before', () => {
  it('stands for the gate, and is kept without what it found', () => {
    const { env, ...kept } = REPORT;
    expect(acceptedGate(REPORT, WANTED, STARTED)).toEqual({
      ...kept,
      checks: [
        { name: 'tests', verdict: 'pass' },
        { name: 'build', verdict: 'pass' },
      ],
      logs: null,
    });
    expect(env).toBe('prod');
  });

  it.each<[string, object]>([
    [`is of ${OLD}`, { sha: OLD }],
    ['is of staging', { env: 'staging' }],
    ['did not pass', { passed: false }],
    ['without --strict', { strict: false }],
    ['is not of the last hour', { started_at: '2026-11-27T22:59:59.000Z' }],
    ['is not of the last hour', { started_at: '2026-11-28T00:00:01.000Z' }],
    ['saw another migrations', { hashes: { migrations: 'm2' } }],
    ['It is no report', { checks: undefined }],
    ['It is no report', { checks: [{ name: 'tests', verdict: 'fine' }] }],
    ['says nothing of tests, and says nothing of build', { checks: [] }],
    ['says nothing of build', { checks: REPORT.checks.slice(0, 1) }],
    ['has other, which the gate has not', { checks: [...REPORT.checks, { name: 'other', verdict: 'pass' }] }],
    ['has build, which the gate has not', { checks: [...REPORT.checks, { name: 'build', verdict: 'pass' }] }],
    ['has fail for tests', { checks: [{ name: 'tests', verdict: 'fail' }, REPORT.checks[1]] }],
    ['has warn for tests', { checks: [{ name: 'tests', verdict: 'warn' }, REPORT.checks[1]] }],
  ])('is refused: %s', (why, changes) => {
    expect(() => acceptedGate({ ...REPORT, ...changes }, WANTED, STARTED)).toThrow(why);
  });

  it('may hold warnings where the release is not strict', () => {
    const checks = [{ name: 'tests', verdict: 'warn' }, REPORT.checks[1]];
    expect(acceptedGate({ ...REPORT, checks }, { ...WANTED, strict: false }, STARTED).checks).toHaveLength(2);
  });
});
