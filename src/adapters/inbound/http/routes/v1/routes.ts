import type { ApiKeyUseCases } from '#src/application/access/api-keys.ts';
import type { AuditUseCases } from '#src/application/audit/use-cases.ts';
import type { QueueUseCases } from '#src/application/queue/use-cases.ts';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';

interface UseCases {
  apiKeys: ApiKeyUseCases;
  queue: QueueUseCases;
  audit: AuditUseCases;
}

/** Routes translate HTTP into the words of a use case and back. They hold no rule (ARC-2, API-8). */
export type Routes = FastifyPluginCallbackZod<UseCases>;
