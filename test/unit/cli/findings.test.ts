import { expect, it } from 'vitest';
import { findingsOutcome } from '#src/composition/cli/findings.ts';
import type { Finding } from '#src/application/checks/finding.ts';

const ok: Finding = { check: 'a', severity: 'ok', summary: 'fine', explanation: 'unseen' };
const warning: Finding = { check: 'b', severity: 'warning', summary: 'soon', mend: 'do it' };
const critical: Finding = { check: 'c', severity: 'critical', summary: 'now', runbook: 'docs/x.md#y' };

it('shows the worst first, with what mends it', () => {
  const { text, data } = findingsOutcome([ok, warning, critical]);
  expect(text.split('\n').map((line) => line.trim())).toEqual([
    expect.stringContaining('c: now'),
    'see docs/x.md#y',
    expect.stringContaining('b: soon'),
    'mend: do it',
    expect.stringContaining('a: fine'),
    '1 critical, 1 warning, 1 ok',
  ]);
  expect(data).toEqual({ status: 'fail', findings: [critical, warning, ok] });
});

it.each([
  [[], 'pass'],
  [[ok], 'pass'],
  [[ok, warning], 'warn'],
  [[critical, warning], 'fail'],
] as const)('%j is a %s', (findings, status) => {
  expect(findingsOutcome(findings).status).toBe(status);
});
