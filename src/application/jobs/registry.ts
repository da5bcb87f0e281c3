import { DomainError } from '#src/domain/errors.ts';
import type { JobDefinition } from './define-job.ts';
import { smokeEcho } from './smoke.echo.ts';
import { webhookDeliver } from './webhook.deliver.ts';

export type JobRegistry = ReadonlyMap<string, JobDefinition>;

export function registryOf(definitions: readonly JobDefinition[]): JobRegistry {
  return new Map(definitions.map((definition) => [definition.type, definition]));
}

/** Every job type there is: a new one is a file beside this one and a line here. */
export const jobRegistry: JobRegistry = registryOf([webhookDeliver, smokeEcho]);

/** @throws DomainError `job_type_unknown` */
export function definitionOf(registry: JobRegistry, type: string, pointer: string): JobDefinition {
  const definition = registry.get(type);
  if (definition) return definition;
  const detail = `Unknown job type. Known types: ${[...registry.keys()].toSorted().join(', ')}.`;
  throw new DomainError('job_type_unknown', detail, { fields: [{ pointer, detail }] });
}
