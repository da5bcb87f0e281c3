import type { FastifyReply } from 'fastify';
import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Where it stands in the list of open ones; −1 outside of it. */
    timeoutPlace: number;
  }
}

const CHECK_MS = 1000;
/** Longer than a request may take to arrive, shorter than the 60 s after which load balancers give up. */
const LATE_AFTER_CHECKS = 45;

/**
 * What hangs in us is answered by us. Fastify's `handlerTimeout` does the same with a timer and an AbortController for each
 * request, which it aborts after every answer (decision 0014).
 */
export const answerTimeout = fp(
  (app, _options, done) => {
    let checks = 0;
    // Lists with places to be taken again, and no Map, whose outgrown tables would keep replies from being collected.
    const open: (FastifyReply | undefined)[] = [];
    const begun: number[] = [];
    const free: number[] = [];

    function close(reply: FastifyReply): void {
      if (reply.timeoutPlace < 0) return;
      open[reply.timeoutPlace] = undefined;
      free.push(reply.timeoutPlace);
      reply.timeoutPlace = -1;
    }
    const timer = setInterval(() => {
      checks += 1;
      for (const reply of open) {
        if (!reply || checks - (begun[reply.timeoutPlace] ?? checks) <= LATE_AFTER_CHECKS) continue;
        close(reply);
        if (!reply.sent) reply.send(new HttpError('answer_timeout'));
      }
    }, CHECK_MS).unref();

    app.decorateReply('timeoutPlace', -1);
    // It is the handler that may hang: what comes before has time-outs of its own.
    app.addHook('preHandler', (_request, reply, next) => {
      reply.timeoutPlace = free.pop() ?? open.length;
      open[reply.timeoutPlace] = reply;
      begun[reply.timeoutPlace] = checks;
      next();
    });
    app.addHook('onSend', (_request, reply, payload, next) => {
      close(reply);
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
