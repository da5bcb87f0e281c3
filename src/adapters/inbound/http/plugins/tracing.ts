import type { Span, Tracing } from '#src/application/tracing.ts';
import type { FastifyRequest } from 'fastify';
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
    app.addHook('onRequest', (request, reply, next) => {
      const span = startSpan({
        kind: 'server',
        name: `${request.method} ${routeOf(request)}`,
        traceId: request.id,
        parentSpanId: parentSpanIdOf(request.raw),
      });
      reply.header('traceparent', span.traceparent);
      request.span = span;
      next();
    });
    app.addHook('onResponse', (request, { statusCode }, next) => {
      request.span?.end(
        { ...attributesOf(request), 'http.response.status_code': statusCode },
        statusCode >= 500,
      );
      next();
    });
    // No fault of ours; it has no answer.
    app.addHook('onRequestAbort', (request, next) => {
      request.span?.end({ ...attributesOf(request), 'error.type': 'aborted' }, false);
      next();
    });
    done();
  },
  { name: 'tracing', dependencies: ['trace-context'] },
);

const attributesOf = (request: FastifyRequest) => ({
  'http.request.method': request.method,
  'http.route': routeOf(request),
});
