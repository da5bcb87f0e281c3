import type { Finding, Severity } from '../checks/finding.ts';

const PAGE = 'docs/runbooks/smoke.md';

const finding =
  (severity: Severity) =>
  (check: string, summary: string): Finding => ({ check, severity, summary, runbook: `${PAGE}#${check}` });

export const ok = finding('ok');
export const warning = finding('warning');
export const critical = finding('critical');
