import fp from 'fastify-plugin';
import { type Load, type Ticket, createAdmission, newTicket } from '../admission.ts';
import { HttpError } from '../problems/http-error.ts';

declare module 'fastify' {
  interface FastifyRequest {
    ticket: Ticket | null;
  }
}

/**
 * AV-7: refuses with 503 what would be answered too late, before anything else is done for it. Probes are outside of this
 * scope.
 */
export const loadShedding = fp<{ load: Load }>(
  (app, { load }, done) => {
    // One for all: a stack trace would cost as much as the whole refusal.
    const admission = createAdmission(load, new HttpError('overloaded'));

    app.decorateRequest('ticket', null);
    app.addHook('onRequest', (request, _reply, next) => {
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
