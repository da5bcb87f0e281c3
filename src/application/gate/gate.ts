import type { CheckProcesses, GateCheck, GateResult } from './check.ts';
import { judge } from './judge.ts';

export interface GateOptions {
  readonly processes: CheckProcesses;
  /** How many checks run at a time. */
  readonly width: number;
  /** Ends what runs. */
  readonly signal: AbortSignal;
  readonly onStart: (check: GateCheck) => void;
  readonly onEnd: (result: GateResult) => void;
}

/**
 * Runs every check: side by side where they may, then, one after the other, those that want to be alone. One that fails stops
 * no other: whoever mends wants to know all.
 *
 * @param checks each after those that it needs
 * @returns the results in the order of the table
 * @throws the reason of `signal` when it was stopped
 */
export async function runGate(checks: readonly GateCheck[], options: GateOptions): Promise<GateResult[]> {
  const results = new Map<string, GateResult>();
  const record = async (check: GateCheck): Promise<void> => {
    const missing = check.needs?.find((name) => results.get(name)?.verdict !== 'pass');
    const result = missing === undefined ? await run(check, options) : notRun(check, missing);
    results.set(check.name, result);
    options.onEnd(result);
  };

  const names = new Set(checks.map(({ name }) => name));
  const isDue = ({ needs = [] }: GateCheck) => needs.every((name) => results.has(name) || !names.has(name));
  const waiting = checks.filter(({ alone }) => !alone);
  const running = new Map<string, Promise<void>>();
  try {
    while (waiting.length > 0 || running.size > 0) {
      const next = running.size < options.width ? waiting.findIndex(isDue) : -1;
      const [check] = next < 0 ? [] : waiting.splice(next, 1);
      if (check)
        running.set(
          check.name,
          record(check).finally(() => running.delete(check.name)),
        );
      else await Promise.race(running.values());
    }
  } finally {
    await Promise.allSettled(running.values());
  }
  for (const check of checks.filter(({ alone }) => alone)) await record(check);
  return checks.flatMap(({ name }) => results.get(name) ?? []);
}

/** Fail-closed: what was not looked at is not known to be well. */
const notRun = (check: GateCheck, need: string): GateResult => ({
  check,
  verdict: 'fail',
  summary: `not run: ${need}, which it needs, did not pass`,
  ms: 0,
  findings: [],
});

async function run(check: GateCheck, { processes, signal, onStart }: GateOptions): Promise<GateResult> {
  signal.throwIfAborted();
  onStart(check);
  const ended = await processes.run(check, signal);
  signal.throwIfAborted();
  return judge(check, ended);
}
