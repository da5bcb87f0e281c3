/** `ok` is a finding too: that it was looked at. */
export type Severity = 'ok' | 'warning' | 'critical';

/** What a check found. Never holds the value of a secret. */
export interface Finding {
  /** Stable, in kebab case: scripts and alerts go by it. */
  readonly check: string;
  readonly severity: Severity;
  /** One line. */
  readonly summary: string;
  readonly explanation?: string;
  /** The statement or command that mends it. */
  readonly mend?: string;
  /** Page and heading, as `docs/runbooks/page.md#heading`. */
  readonly runbook?: string;
}

export type Verdict = 'pass' | 'warn' | 'fail';

export function verdictOf(findings: readonly Pick<Finding, 'severity'>[]): Verdict {
  if (findings.some(({ severity }) => severity === 'critical')) return 'fail';
  return findings.some(({ severity }) => severity === 'warning') ? 'warn' : 'pass';
}

/** From where on a measure is bad: at least so much. */
export interface Bounds {
  readonly warning: number;
  readonly critical: number;
}

export function gradeOf(value: number, { warning, critical }: Bounds): Severity {
  if (value >= critical) return 'critical';
  return value >= warning ? 'warning' : 'ok';
}
