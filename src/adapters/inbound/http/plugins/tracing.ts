import type { Span, Tracing } from '#src/application/tracing.ts';
import fp from 'fastify-plugin';
import { routeOf } from '../route-of.ts';
import { parentSpanIdOf } from './trace-context.ts';

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null;
  }
}

/** OBS-5: one span a request, with the stable attributes of OpenTelemetry's HTTP conventions. */
export const tracing = fp<{ tracing: Tracing }>(
  (app, { tracing: { startSpan } }, done) => {
    app.decorateRequest('span', null);
    app.addHook('onRequest', (request, _reply, next) => {
      request.span = startSpan({
        kind: 'server',
        name: `${request.method} ${routeOf(request)}`,
        traceId: request.id,
        parentSpanId: parentSpanIdOf(request.raw),
      });
      next();
    });
    app.addHook('onResponse', (request, reply, next) => {
      const attributes = {
        'http.request.method': request.method,
        'http.route': routeOf(request),
        'http.response.status_code': reply.statusCode,
      };
      request.span?.end(attributes, reply.statusCode >= 500);
      next();
    });
    done();
  },
  { name: 'tracing', dependencies: ['trace-context'] },
);
