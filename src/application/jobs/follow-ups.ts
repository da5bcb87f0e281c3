import { DomainError } from '#src/domain/errors.ts';
import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import type { JobRequest, NewJob } from '#src/domain/jobs/job.ts';
import { jsonOf } from '#src/domain/jobs/result.ts';
import { acceptJob } from './accept-job.ts';
import type { JobRegistry } from './registry.ts';

/** As much as one request may queue over HTTP. */
export const MAX_FOLLOW_UPS = 1000;
export const MAX_FOLLOW_UP_CHARACTERS = 4 * 1024 * 1024;

/**
 * The jobs that a handler wants to follow its own, as they are queued.
 *
 * @throws PermanentFailure when one is not valid, or they are too many: another attempt would only repeat the work
 */
export function acceptFollowUps(registry: JobRegistry, requests: readonly JobRequest[]): NewJob[] {
  if (requests.length > MAX_FOLLOW_UPS) {
    throw new PermanentFailure(`The handler asked for more than ${MAX_FOLLOW_UPS} follow-up jobs.`);
  }
  let room = MAX_FOLLOW_UP_CHARACTERS;
  return requests.map((request, index) => {
    const { value: payload, characters } = jsonOf(request.payload);
    room -= characters;
    if (room < 0) {
      throw new PermanentFailure(
        `The payloads of the follow-up jobs have more than ${MAX_FOLLOW_UP_CHARACTERS} characters.`,
      );
    }
    return accept(registry, { ...request, payload }, index);
  });
}

function accept(registry: JobRegistry, request: JobRequest, index: number): NewJob {
  try {
    return acceptJob(registry, request, `/${index}`);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const faults = error.fields.map(({ pointer, detail }) => `${pointer} (${detail})`).join(', ');
    throw new PermanentFailure(`The handler asked for a follow-up job that is not valid: ${faults}`, {
      cause: error,
    });
  }
}
