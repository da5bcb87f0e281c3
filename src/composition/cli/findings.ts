import { type Finding, type Severity, verdictOf } from '#src/application/checks/finding.ts';
import { styleText } from 'node:util';
import type { Outcome } from './command.ts';

const COLOR = { ok: 'green', warning: 'yellow', critical: 'red' } as const;
const WORST_FIRST: readonly Severity[] = ['critical', 'warning', 'ok'];

/** The worst first, each with what explains and mends it; colours on a terminal. */
export function findingsOutcome(findings: readonly Finding[]): Outcome {
  const status = verdictOf(findings);
  const sorted = WORST_FIRST.flatMap((severity) =>
    findings.filter((finding) => finding.severity === severity),
  );
  const counts = WORST_FIRST.map((severity) => `${countOf(findings, severity)} ${severity}`).join(', ');
  return { text: [...sorted.map(textOf), counts].join('\n'), data: { status, findings: sorted }, status };
}

const countOf = (findings: readonly Finding[], severity: Severity): number =>
  findings.filter((finding) => finding.severity === severity).length;

function textOf({ check, severity, summary, explanation, mend, runbook }: Finding): string {
  const head = `${styleText(COLOR[severity], severity.padEnd(8))}  ${check}: ${summary}`;
  const more = [explanation, mend && `mend: ${mend}`, runbook && `see ${runbook}`].filter((line) => !!line);
  return [head, ...(severity === 'ok' ? [] : more.map((line) => `          ${line}`))].join('\n');
}
