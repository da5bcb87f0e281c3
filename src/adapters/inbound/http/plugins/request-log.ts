import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import fp from 'fastify-plugin';
import { PROBLEM_TYPES, refusalOf } from '../problems/problems.ts';
import { routeOf } from '../route-of.ts';
import type { SecurityLog } from '../security-log.ts';

/**
 * OBS-2: one line a request, and what was wrong with the request beside. No URL, query, header, or body: only the route's template
 * and what we know of the client. The trace id is the logger's own (OBS-1).
 */
export const requestLog = fp<{ security: SecurityLog }>(
  (app, { security }, done) => {
    if (['trace', 'debug'].includes(app.log.level)) app.addHook('onRequest', logReceived);
    app.addHook('onError', errorLog(security));
    app.addHook('onResponse', logCompleted);
    app.addHook('onRequestAbort', logAborted);
    done();
  },
  { name: 'request-log', dependencies: ['problem-details', 'client-address'] },
);

function logReceived(request: FastifyRequest, _reply: FastifyReply, next: HookHandlerDoneFunction): void {
  request.log.debug({ method: request.method, route: routeOf(request) }, 'request received');
  next();
}

function logCompleted(request: FastifyRequest, reply: FastifyReply, next: HookHandlerDoneFunction): void {
  request.log.info(
    {
      method: request.method,
      route: routeOf(request),
      status: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime * 1000) / 1000,
      actor: request.principal?.actor,
      code: reply.problemCode ?? undefined,
    },
    'request completed',
  );
  next();
}

/** The client went away before its answer was complete, which then has no completion line. */
function logAborted(request: FastifyRequest, next: HookHandlerDoneFunction): void {
  request.log.info(
    { method: request.method, route: routeOf(request), actor: request.principal?.actor },
    'request aborted',
  );
  next();
}

/** An outage of the database is said by the completion line and once by readiness (AV-4), not once a request. */
const errorLog =
  (security: SecurityLog) =>
  (request: FastifyRequest, _reply: FastifyReply, error: Error, next: HookHandlerDoneFunction): void => {
    const { code, fields } = refusalOf(error);
    const route = routeOf(request);
    const address = request.clientAddress;
    if (code === 'unauthenticated') {
      // Without a key it is a mistake, with one that is not good it may be an attack (SEC-4).
      const level = request.refusal instanceof DomainError ? 'error' : 'warn';
      security.report(request.log, level, { event: 'authentication_failed', route, address });
    } else if (PROBLEM_TYPES[code].status === 403) {
      const actor = request.principal?.actor;
      security.report(request.log, 'error', { event: code, route, actor, detail: error.message, address });
    } else if (PROBLEM_TYPES[code].status === 400 || PROBLEM_TYPES[code].status === 422) {
      // No pointers: the names of a payload's members are the client's data.
      request.log.warn({ code, faults: fields.length, route }, 'validation failed');
    }
    next();
  };
