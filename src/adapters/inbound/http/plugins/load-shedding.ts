import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type Load, createAdmission } from '../admission.ts';
import { HttpError } from '../problems/http-error.ts';

/**
 * AV-7: refuses with 503 what would be answered too late, before anything else is done for it. Probes are outside of this
 * scope.
 */
export const loadShedding = fp<{ load: Load }>(
  (app, { load }, done) => {
    // One for all: a stack trace would cost as much as the whole refusal.
    const admission = createAdmission<FastifyRequest>(load, new HttpError('overloaded'));

    app.addHook('onRequest', (request, _reply, next) => {
      admission.enter(request, next);
    });
    // Its work is done; that the client may be slow to read the answer is nobody else's trouble.
    app.addHook('onSend', (request, _reply, payload, next) => {
      admission.leave(request);
      next(null, payload);
    });
    app.addHook('onRequestAbort', (request, next) => {
      admission.giveUp(request);
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
