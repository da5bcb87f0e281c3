import type { Finding } from '#src/application/checks/finding.ts';
import type { GateResult } from '#src/application/gate/check.ts';

const SEVERITY = { pass: 'ok', warn: 'warning', fail: 'critical' } as const;

/** As far as findings are indented. */
const INDENT = `\n${' '.repeat(10)}`;

/** One line of the gate's table, with the end of what a check printed that did not pass. */
export function findingOf({ check, verdict, summary, ms, tail, log }: GateResult): Finding {
  const alone = `alone: ${check.command.join(' ')}`;
  const holds = `when it passes: ${check.holds}`;
  const told = [tail, log && `whole output: ${log}`, alone, holds].filter((text) => !!text).join('\n');
  return {
    check: check.name,
    severity: SEVERITY[verdict],
    summary: `${summary} (${(ms / 1000).toFixed(1)} s)`,
    ...(verdict !== 'pass' && { explanation: told.replaceAll('\n', INDENT) }),
    runbook: 'docs/runbooks/gate.md',
  };
}
