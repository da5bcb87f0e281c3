import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Gauge, type Registry } from 'prom-client';
import { type Load, type Ticket, createAdmission, newTicket } from '../admission.ts';
import { HttpError } from '../problems/http-error.ts';
import { tally } from '../tally.ts';

declare module 'fastify' {
  interface FastifyRequest {
    ticket: Ticket | null;
  }
}

const REFUSED = {
  name: 'http_requests_shed_total',
  help: 'Requests refused for too much load: late (waited too long), full (too many waited).',
  label: 'reason',
};

/**
 * AV-7: refuses with 503 what would be answered too late, before anything else is done for it. Probes are outside of this
 * scope.
 */
export const loadShedding = fp<{ load: Load; registry: Registry }>(
  (app, { load, registry }, done) => {
    // One for all: a stack trace would cost as much as the whole refusal.
    const refusal = new HttpError('overloaded');
    const refused = { late: 0, full: 0 };
    tally(registry, REFUSED, refused);
    const admission = createAdmission(load, (reason) => {
      refused[reason] += 1;
      return refusal;
    });
    const requests = new Gauge({
      name: 'http_requests_in_flight',
      help: 'Requests that are worked on, and that wait to be.',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        for (const [state, count] of Object.entries(admission.counts())) requests.set({ state }, count);
      },
    });

    app.decorateRequest('ticket', null);
    app.addHook('onRequest', (request, _reply, next) => {
      request.ticket = newTicket();
      admission.enter(request.ticket, next);
    });
    // While its body is on its way nothing is done for it: whoever sends it slowly must not keep others waiting.
    app.addHook('preParsing', (request, _reply, payload, next) => {
      if (request.ticket && hasBody(request)) admission.leave(request.ticket);
      next(null, payload);
    });
    app.addHook('preValidation', (request, _reply, next) => {
      if (!request.ticket || !hasBody(request)) {
        next();
        return;
      }
      request.ticket = newTicket();
      admission.enter(request.ticket, next);
    });
    // Its work is done; that the client may be slow to read the answer is nobody else's trouble.
    app.addHook('onSend', (request, _reply, payload, next) => {
      if (request.ticket) admission.leave(request.ticket);
      next(null, payload);
    });
    app.addHook('onRequestAbort', (request, next) => {
      if (request.ticket) admission.giveUp(request.ticket);
      next();
    });
    app.addHook('onClose', (_app, next) => {
      admission.stop();
      next();
    });
    done();
  },
  { name: 'load-shedding' },
);

const hasBody = ({ raw: { headers } }: FastifyRequest): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
