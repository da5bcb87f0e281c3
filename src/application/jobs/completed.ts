import type { JobRequest, JsonValue } from '#src/domain/jobs/job.ts';

/** What a handler returned that wants more than its result stored. */
export class Completed {
  readonly result: JsonValue;
  readonly followUps: readonly JobRequest[];

  constructor(result: JsonValue, followUps: readonly JobRequest[]) {
    this.result = result;
    this.followUps = followUps;
  }
}

/** For a handler to return: its result, and jobs that are queued in the transaction that stores it, or not at all. */
export const completed = (result: JsonValue, followUps: readonly JobRequest[]): Completed =>
  new Completed(result, followUps);
