import {
  type Deployment,
  type DeploymentStatus,
  type PhaseStatus,
  phaseOf,
  withPhase,
} from './deployment.ts';
import type { Phase } from './phase.ts';
import type { ReleaseTools } from './ports.ts';

/** A phase did not come to its end, by a fault or by a signal. What it leaves is in the log. */
export class PhaseFailure extends Error {
  override readonly name = 'PhaseFailure';
  readonly phase: string;
  /** By a signal, and so no fault. */
  readonly stopped: boolean;

  constructor(phase: string, stopped: boolean, why: string, cause: unknown) {
    super(`${phase}: ${why}`, { cause });
    this.phase = phase;
    this.stopped = stopped;
  }
}

/** A deployment on its way: each change is in the log before anything goes on. */
export interface Course {
  readonly now: Deployment;
  /** Those that are not done yet. @throws PhaseFailure, and what the log throws */
  run(phases: readonly Phase[]): Promise<void>;
  end(status: DeploymentStatus): Promise<Deployment>;
}

/** Whether it is still to be done: it was not, or what it did does not count any more. */
export const isDue = ({ name, isStale }: Phase, deployment: Deployment, now: number): boolean =>
  phaseOf(deployment, name)?.status !== 'done' || (isStale?.(deployment, now) ?? false);

/** @param actor who goes on */
export function courseOf(start: Deployment, actor: string, tools: ReleaseTools): Course {
  const { log, clock, signal, progress, reasonOf } = tools;
  const time = (): string => new Date(clock.now()).toISOString();
  let now = start;
  async function change(next: Deployment): Promise<void> {
    try {
      await log.save(next);
    } catch (cause) {
      throw new Error(
        'The log of deployments could not be written. Once it can, run this again: it goes on.',
        {
          cause,
        },
      );
    }
    now = next;
  }

  function failureOf(phase: Phase, error: unknown): PhaseFailure {
    const cause = signal.aborted ? signal.reason : error;
    return new PhaseFailure(phase.name, signal.aborted, reasonOf(cause), cause);
  }

  async function run(phase: Phase): Promise<void> {
    const begun = { name: phase.name, actor, startedAt: time() };
    const record = async (status: PhaseStatus, summary: string, changes: Partial<Deployment> = {}) => {
      const endedAt = status === 'running' ? null : time();
      await change(withPhase({ ...now, ...changes }, { ...begun, status, endedAt, summary }));
    };
    if (signal.aborted) throw failureOf(phase, signal.reason);
    await record('running', '');
    progress(`${phase.name} …`);
    try {
      const { summary, changes } = await phase.run(now, tools);
      await record('done', summary, changes);
      progress(`${phase.name}: ${summary}`);
    } catch (error) {
      const failure = failureOf(phase, error);
      progress(failure.message);
      await record(failure.stopped ? 'stopped' : 'failed', failure.message).catch((lost: unknown) => {
        throw new Error(`${failure.message}; nor could that be recorded: ${reasonOf(lost)}`, {
          cause: error,
        });
      });
      throw failure;
    }
  }

  return {
    get now() {
      return now;
    },
    async run(phases) {
      for (const phase of phases) {
        if (isDue(phase, now, clock.now())) await run(phase);
      }
    },
    async end(status) {
      await change({ ...now, status, endedAt: time() });
      return now;
    },
  };
}
