import type { FastifyReply } from 'fastify';
import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';

const CHECK_MS = 1000;
/** Longer than a request may take to arrive, shorter than the 60 s after which load balancers give up. */
const CHECKS = 45;

/**
 * What hangs in us is answered by us. Fastify's `handlerTimeout` does the same with a timer and an AbortController for each
 * request, which it aborts after every answer: a tenth of the request's processor time.
 */
export const answerTimeout = fp(
  (app, _options, done) => {
    let checks = 0;
    /** In the order in which they began, with the check that came before. */
    const open = new Map<FastifyReply, number>();

    const timer = setInterval(() => {
      checks += 1;
      for (const [reply, begun] of open) {
        if (checks - begun <= CHECKS) break;
        open.delete(reply);
        if (!reply.sent) reply.send(new HttpError('answer_timeout'));
      }
    }, CHECK_MS).unref();

    app.addHook('onRequest', (_request, reply, next) => {
      open.set(reply, checks);
      next();
    });
    app.addHook('onSend', (_request, reply, payload, next) => {
      open.delete(reply);
      next(null, payload);
    });
    app.addHook('onClose', (_app, next) => {
      clearInterval(timer);
      next();
    });
    done();
  },
  { name: 'answer-timeout', dependencies: ['problem-details'] },
);
