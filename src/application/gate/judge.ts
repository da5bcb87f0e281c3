import { z } from 'zod';
import { type Finding, verdictOf } from '../checks/finding.ts';
import type { Ended, GateCheck, GateResult } from './check.ts';

/** As .ci/run counts it: the step could not look. In the gate that is a failure (DEP-2: fail-closed). */
const NOT_CHECKED = 77;
const NO_PROGRAM = 127;
const SIGNALLED = 128;

const report = z.object({
  status: z.enum(['pass', 'warn', 'fail']),
  findings: z.array(
    z.object({
      check: z.string(),
      severity: z.enum(['ok', 'warning', 'critical']),
      summary: z.string(),
      explanation: z.string().optional(),
      mend: z.string().optional(),
      runbook: z.string().optional(),
    }),
  ),
});

/** Passes only what says so itself: what did not run, did not end or does not make sense has failed. */
export function judge(check: GateCheck, ended: Ended): GateResult {
  const { code, ms, tail, log } = ended;
  const failed = (summary: string): GateResult => ({
    check,
    verdict: 'fail',
    summary,
    ms,
    findings: [],
    tail,
    log,
  });
  if (ended.timedOut) return failed(`had not ended after ${check.timeoutMs / 1000} s`);
  if (code > SIGNALLED) return failed(`was ended by signal ${code - SIGNALLED}`);
  if (code === NO_PROGRAM) return failed(`${check.command.join(' ')} cannot be started`);
  if (code === NOT_CHECKED) return failed('could not look');
  if (check.verdict === 'findings')
    return judgeFindings(check, ended) ?? failed(`exit code ${code}, and no findings`);
  return code === 0
    ? { check, verdict: 'pass', summary: 'passed', ms, findings: [], log }
    : failed(`exit code ${code}`);
}

function judgeFindings(check: GateCheck, { code, output, ms, log }: Ended): GateResult | undefined {
  const { data } = report.safeParse(parsed(output));
  if (!data || data.findings.length === 0) return undefined;
  const findings = data.findings as readonly Finding[];
  const verdict = code === 0 && data.status !== 'fail' ? verdictOf(findings) : 'fail';
  const bad = findings.filter(({ severity }) => severity !== 'ok');
  const summary = [`${findings.length} looked at`, ...bad.map((one) => `${one.check}: ${one.summary}`)].join(
    '; ',
  );
  return { check, verdict, summary, ms, findings, log };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
