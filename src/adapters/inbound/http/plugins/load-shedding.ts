import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';

export interface Load {
  /** Requests at a time. */
  readonly inFlight: number;
  /** Share of the last interval in which the event loop had something to do, 0 to 1. */
  readonly utilization: number;
  /** By how much a timer came late. */
  readonly eventLoopDelayMs: number;
}

/** At ten milliseconds a request these are answered within a second. */
const MOST: Load = { inFlight: 1000, utilization: 0.98, eventLoopDelayMs: 200 };

const SAMPLE_MS = 100;
/** What is left of the requests at a time when the event loop has no time left, and when it comes late. */
const SATURATED_SHARE = 1 / 4;
const LATE_SHARE = 1 / 16;

/**
 * AV-7: refuses at once what would be answered too late. A busy event loop lowers how much is taken on but never to nothing:
 * a full one is no harm by itself, only a queue behind it is. Probes are outside of this scope.
 */
export const loadShedding = fp<{ most?: Load | undefined }>(
  (app, { most = MOST }, done) => {
    let utilization = performance.eventLoopUtilization();
    let sampledAt = performance.now();
    let inFlight = 0;
    let allowed = most.inFlight;

    function sample(): void {
      const used = performance.eventLoopUtilization(utilization).utilization;
      const delayMs = performance.now() - sampledAt - SAMPLE_MS;
      utilization = performance.eventLoopUtilization();
      sampledAt = performance.now();
      if (delayMs > most.eventLoopDelayMs) allowed = Math.ceil(most.inFlight * LATE_SHARE);
      else allowed = used > most.utilization ? Math.ceil(most.inFlight * SATURATED_SHARE) : most.inFlight;
    }
    const leave = (): void => {
      inFlight -= 1;
    };

    const timer = setInterval(sample, SAMPLE_MS).unref();
    app.addHook('onClose', (_app, next) => {
      clearInterval(timer);
      next();
    });
    app.addHook('onRequest', (_request, reply, next) => {
      inFlight += 1;
      reply.raw.once('close', leave);
      next(inFlight > allowed ? new HttpError('overloaded') : undefined);
    });
    done();
  },
  { name: 'load-shedding' },
);
