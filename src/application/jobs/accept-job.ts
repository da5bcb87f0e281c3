import { DomainError } from '#src/domain/errors.ts';
import type { JobRequest, NewJob } from '#src/domain/jobs/job.ts';
import { findUnstorable } from '#src/domain/jobs/storable.ts';
import { pointerTo } from '#src/domain/json-pointer.ts';
import { type JobRegistry, definitionOf } from './registry.ts';

/**
 * What is asked for as it is queued, if its type takes it.
 *
 * @param pointer to the request in the document that holds it
 * @throws DomainError `job_type_unknown`, `payload_invalid`
 */
export function acceptJob(registry: JobRegistry, request: JobRequest, pointer: string): NewJob {
  const { payload: schema, retry } = definitionOf(registry, request.type, `${pointer}/type`);
  const parsed = schema.safeParse(request.payload);
  if (!parsed.success) {
    throw new DomainError('payload_invalid', `The payload does not fit the job type ${request.type}.`, {
      fields: parsed.error.issues.map((issue) => ({
        pointer: pointerTo(`${pointer}/payload`, ...issue.path),
        detail: issue.message,
      })),
    });
  }
  // What was sent is kept, not what was parsed: defaults belong to the code that runs the job.
  const payload = request.payload;
  const unstorable = findUnstorable(payload);
  if (unstorable !== undefined) {
    const detail = 'Text must not contain NUL characters or lone surrogates.';
    throw new DomainError('payload_invalid', detail, {
      fields: [{ pointer: `${pointer}/payload${unstorable}`, detail }],
    });
  }
  return { ...request, maxAttempts: request.maxAttempts ?? retry.maxAttempts };
}
