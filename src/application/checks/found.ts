import type { Finding, Severity } from './finding.ts';

/** What everybody is told who has to do something about it. */
type Advice = Pick<Finding, 'mend'> & Required<Pick<Finding, 'explanation'>>;

/** A finding of the doctor; each has its heading in the runbook. What is in order needs no advice. */
export function found(check: string, severity: 'ok', summary: string): Finding;
export function found(check: string, severity: Severity, summary: string, advice: Advice): Finding;
export function found(check: string, severity: Severity, summary: string, advice?: Advice): Finding {
  if (severity === 'ok') return { check, severity, summary };
  return { check, severity, summary, ...advice, runbook: `docs/runbooks/doctor.md#${check}` };
}
