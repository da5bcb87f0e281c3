import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkProcesses } from '#src/adapters/outbound/processes/check-processes.ts';
import { verdictOf } from '#src/application/checks/finding.ts';
import type { GateCheck, GateEnvironment, GateResult } from '#src/application/gate/check.ts';
import { runGate } from '#src/application/gate/gate.ts';
import type { Environment } from '#src/config/load.ts';
import type { Place } from '../release/targets.ts';
import { checksOf } from './checks.ts';
import { commitOf, hashesOf, refuseWithoutCheckout } from './checkout.ts';
import { findingOf } from './finding.ts';

export interface GateRequest {
  readonly root: string;
  readonly env: GateEnvironment;
  readonly strict: boolean;
  /** Within a release, or for one: what is pending is what it brings. */
  readonly releasing?: boolean | undefined;
  /** Where what is deployed serves, if anything does. */
  readonly place?: Place | undefined;
  /** The commit that served before, if the log of deployments has one. */
  readonly base?: string | null | undefined;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
  /** Instead of the table, in tests of the gate itself. */
  readonly table?: readonly GateCheck[];
}

/**
 * Goes through the gate of one environment.
 *
 * @returns what may be kept as the record of it
 * @throws Error when this is no checkout, or when it was stopped
 */
export async function gateReport(request: GateRequest) {
  const { root, env, strict, releasing, place, base, environment, signal, progress, table } = request;
  refuseWithoutCheckout(root);
  const sha = await commitOf(root);
  const startedAt = new Date();
  const folder = mkdtempSync(join(tmpdir(), 'dragonfly-gate-'));
  const results = await runGate(checksOf(env, { strict, releasing, place, base }, table), {
    processes: checkProcesses({
      root,
      folder,
      environmentOf: (check) => environmentOf(check, { env, sha, environment }),
    }),
    width: Math.max(2, availableParallelism()),
    signal,
    onStart: ({ name }) => progress(`${name} …`),
    onEnd: (result) => progress(`${result.check.name}: ${findingOf(result).summary}`),
  }).catch((error: unknown) => {
    rmSync(folder, { recursive: true });
    throw error;
  });
  const findings = results.map(findingOf);
  const status = verdictOf(findings);
  if (status === 'pass') rmSync(folder, { recursive: true });
  return {
    sha,
    env,
    strict,
    started_at: startedAt.toISOString(),
    duration_ms: Date.now() - startedAt.getTime(),
    passed: status === 'pass' || (status === 'warn' && !strict),
    status,
    hashes: hashesOf(root),
    checks: results.map(checkOf),
    /** Where everything is that was printed, unless all is well. */
    logs: status === 'pass' ? null : folder,
    findings,
  };
}

const checkOf = ({ check, verdict, ms, findings }: GateResult) => ({
  name: check.name,
  command: check.command.join(' '),
  verdict,
  duration_ms: Math.round(ms),
  findings,
});

/**
 * What looks at the environment has its variables. What looks at the checkout has none of them: a test must not meet the database
 * of production by accident (SEC-1). Outside dev a test that is skipped because there is no server counts as
 * failed.
 */
function environmentOf(
  { verdict }: GateCheck,
  { env, sha, environment }: Pick<GateRequest, 'env' | 'environment'> & { readonly sha: string },
): NodeJS.ProcessEnv {
  if (verdict === 'findings') return { DRAGONFLY_GIT_SHA: sha, ...environment, DRAGONFLY_ENV: env };
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('DRAGONFLY_'));
  return { ...Object.fromEntries(others), ...(env !== 'dev' && { CI: 'true', REQUIRE_SERVICES: '1' }) };
}
