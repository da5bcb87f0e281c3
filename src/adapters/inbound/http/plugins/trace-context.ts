import { newTraceId } from '#src/application/tracing.ts';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import fp from 'fastify-plugin';

/** Version, trace id, parent id, flags (w3.org/TR/trace-context, section 3.2). Version 00 ends there, later ones may not. */
const TRACEPARENT =
  /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/;
const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;

/** OBS-3: the trace id of a request, from `traceparent` if it is valid, else from `X-Trace-Id`, else new. */
export function traceIdOf({ headers }: IncomingMessage): string {
  const inherited = traceparentOf(headers)?.[1];
  if (inherited !== undefined) return inherited;
  const own = headers['x-trace-id'];
  return typeof own === 'string' && TRACE_ID.test(own) ? own : newTraceId();
}

/** The caller's span, if there is one. */
export const parentSpanIdOf = ({ headers }: IncomingMessage): string | undefined =>
  traceparentOf(headers)?.[2];

const traceparentOf = ({ traceparent }: IncomingHttpHeaders) =>
  typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;

/**
 * OBS-3: tells the client the trace id. It is the id of the request from its first moment, and so in every line of the
 * request's logger; here it only becomes visible.
 */
export const traceContext = fp(
  (app, _options, done) => {
    app.addHook('onRequest', (request, reply, next) => {
      reply.header('x-trace-id', request.id);
      next();
    });
    done();
  },
  { name: 'trace-context' },
);
