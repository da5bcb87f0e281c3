import { type Finding, verdictOf } from '../checks/finding.ts';
import { jobRoundTrip, retryAfterMs } from './job-round-trip.ts';
import { judge } from './judge.ts';
import type { Clock, HttpCaller } from './ports.ts';
import { type Round, type SmokeTarget, lookAround, lookAtProbes } from './round.ts';
import { warning } from './smoke-finding.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 8000;

interface Tools {
  readonly http: HttpCaller;
  readonly clock: Clock;
  readonly nonce: string;
  readonly progress: (text: string) => void;
}

/**
 * Whether a deployment serves as it should (DEP-3). What is not so yet is looked at again, with longer and longer pauses,
 * for at most `waitMs`: one round in which all is well decides, and not one good answer here and another there. The job
 * comes last, once.
 */
export async function smoke(target: SmokeTarget, waitMs: number, tools: Tools): Promise<Finding[]> {
  const { http, clock, progress } = tools;
  const deadline = clock.now() + waitMs;
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    const isSettled = await settled(target, deadline, tools);
    const round = await lookAround(http, target);
    const found = judge(round, target);
    const isWell = verdictOf(found) !== 'fail';
    const wait = Math.max(pause, ...answersOf(round).map(retryAfterMs));
    if (isWell) return [...found, await job(target, tools)];
    if (!isSettled || clock.now() + wait > deadline) return found;
    progress(`${summaryOf(found)}; looking again in ${Math.ceil(wait / 1000)} s`);
    await clock.sleep(wait);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** Waits for the release by probes alone, which no limit counts. @returns false when it did not come in time */
async function settled(
  target: SmokeTarget,
  deadline: number,
  { http, clock, progress }: Tools,
): Promise<boolean> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const { alive, ready } = await lookAtProbes(http, target);
    const isThere = [alive, ready].every(
      (looked) =>
        !(looked instanceof Error) &&
        looked.status === 200 &&
        (target.sha === undefined || looked.headers['x-dragonfly-sha'] === target.sha),
    );
    if (isThere) return true;
    if (clock.now() + pause > deadline) return false;
    progress(`the release does not answer yet; looking again in ${pause / 1000} s`);
    await clock.sleep(pause);
  }
}

const answersOf = (round: Round) =>
  Object.values(round).filter((looked) => looked !== undefined && !(looked instanceof Error));

const summaryOf = (found: readonly Finding[]): string =>
  found
    .filter(({ severity }) => severity === 'critical')
    .map(({ check, summary }) => `${check}: ${summary}`)
    .join('; ');

async function job({ url, key }: SmokeTarget, tools: Tools): Promise<Finding> {
  if (key === undefined) return warning('job', 'none was queued: give a key with jobs:queue and jobs:read');
  tools.progress('queueing a job');
  return await jobRoundTrip(url, key, tools);
}
