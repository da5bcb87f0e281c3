import { type Finding, verdictOf } from '../checks/finding.ts';
import type { Deployment } from './deployment.ts';
import type { ReleaseTools } from './ports.ts';

export interface PhaseEnd {
  readonly summary: string;
  /** What the log is to keep beside the phase. */
  readonly changes?: Partial<Deployment>;
}

/** A step of the sequence. What was killed in the middle of it is run again. */
export interface Phase {
  readonly name: string;
  /** What it would do, for `--dry-run`. */
  readonly plan: (deployment: Deployment, tools: ReleaseTools) => string;
  /** @throws Error when the sequence must not go on */
  readonly run: (deployment: Deployment, tools: ReleaseTools) => Promise<PhaseEnd>;
  /** Whether what it found out, once done, is not good any more. */
  readonly isStale?: (deployment: Deployment, now: number) => boolean;
}

const told = (findings: readonly Finding[]): string =>
  findings.map(({ check, summary }) => `${check}: ${summary}`).join('; ');

/** How much was looked at, and what of it is not in order. */
export function summaryOf(findings: readonly Finding[]): string {
  const warnings = told(findings.filter(({ severity }) => severity !== 'ok'));
  return `${findings.length} looked at${warnings && `; warnings: ${warnings}`}`;
}

/** @throws Error when a finding is critical, or a warning where that is one too many */
export function passed(findings: readonly Finding[], strict: boolean): PhaseEnd {
  const verdict = verdictOf(findings);
  if (verdict === 'fail' || (verdict === 'warn' && strict))
    throw new Error(
      told(findings.filter(({ severity }) => severity === 'critical' || (strict && severity === 'warning'))),
    );
  return { summary: summaryOf(findings) };
}
