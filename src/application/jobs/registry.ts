import { DomainError } from '#src/domain/errors.ts';
import type { JobDefinition } from './define-job.ts';
import { type WebhookSender, webhookDeliver } from './webhook.deliver.ts';

/** What the handlers of all job types need, as ports. */
export interface JobPorts {
  readonly webhooks: WebhookSender;
}

export type JobRegistry = ReadonlyMap<string, JobDefinition>;

/** Every job type there is: a new one is a file beside this one and a line here. */
export const jobRegistry = (ports: JobPorts): JobRegistry => registryOf([webhookDeliver(ports.webhooks)]);

export const registryOf = (definitions: readonly JobDefinition[]): JobRegistry =>
  new Map(definitions.map((definition) => [definition.type, definition]));

/** @throws DomainError `job_type_unknown` */
export function definitionOf(registry: JobRegistry, type: string, pointer: string): JobDefinition {
  const definition = registry.get(type);
  if (definition) return definition;
  const detail = `Unknown job type. Known types: ${[...registry.keys()].toSorted().join(', ')}.`;
  throw new DomainError('job_type_unknown', detail, { fields: [{ pointer, detail }] });
}
