import type { ReadinessProbe } from '#src/application/health/readiness.ts';
import type { RawServerDefault } from 'fastify';
import fp from 'fastify-plugin';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';

const alive = z.object({ status: z.literal('ok') });
const readiness = z.object({
  status: z.enum(['ready', 'not_ready']),
  services: z.record(z.string(), z.enum(['ok', 'degraded', 'unavailable'])),
});

const ALIVE = { status: 'ok' } as const;

/**
 * Registered outside of the scope that traces, logs, limits and authenticates (AV-3). Liveness never asks a dependency:
 * restarting this process does not heal a database (AV-1). Readiness: AV-2.
 */
export const health = fp<{ probe: ReadinessProbe }, RawServerDefault, ZodTypeProvider>(
  (app, { probe }, done) => {
    app.get(
      '/health',
      {
        schema: {
          operationId: 'getHealth',
          summary: 'Whether the process is alive',
          tags: ['probes'],
          response: { 200: alive },
        },
      },
      (_request, reply) => {
        reply.send(ALIVE);
      },
    );

    for (const [path, operationId] of [
      ['/readyz', 'getReadiness'],
      ['/ready', 'getReadinessAlias'],
    ] as const) {
      app.get(
        path,
        {
          schema: {
            operationId,
            summary: 'Whether requests can be served',
            tags: ['probes'],
            response: { 200: readiness, 503: readiness },
          },
        },
        async (_request, reply) => {
          const { status, services } = await probe.probe();
          return reply.code(status === 'ready' ? 200 : 503).send({ status, services: { ...services } });
        },
      );
    }
    done();
  },
  { name: 'health' },
);
