import { performance } from 'node:perf_hooks';
import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';

export interface Load {
  /** Requests at a time. */
  readonly inFlight: number;
  /** Requests at a time while the event loop has no time left: more of them would wait, not go faster. */
  readonly inFlightSaturated: number;
  /** Share of the last interval in which the event loop had something to do, from which on it has no time left; 0 to 1. */
  readonly saturation: number;
  /** How long one turn of the event loop may take on requests, in milliseconds. All others wait for it, probes too. */
  readonly turnMs: number;
}

const MOST: Load = { inFlight: 1000, inFlightSaturated: 250, saturation: 0.98, turnMs: 50 };
const SAMPLE_MS = 250;

/**
 * AV-7: refuses at once what would be answered too late, by the number of requests in flight, the utilisation of the event
 * loop, and the delay that the requests of one turn cause. It never refuses all: the first request of each turn is taken on
 * unless too many are in flight. Probes are outside of this scope.
 */
export const loadShedding = fp<{ most?: Load | undefined }>(
  (app, { most = MOST }, done) => {
    let inFlight = 0;
    let allowed = most.inFlight;
    let turnStart: number | undefined;
    let utilization = performance.eventLoopUtilization();

    const leave = (): void => {
      inFlight -= 1;
    };
    const endTurn = (): void => {
      turnStart = undefined;
    };
    function isTurnOver(): boolean {
      if (turnStart !== undefined) return performance.now() - turnStart > most.turnMs;
      turnStart = performance.now();
      setImmediate(endTurn);
      return false;
    }
    const timer = setInterval(() => {
      const { utilization: used } = performance.eventLoopUtilization(utilization);
      utilization = performance.eventLoopUtilization();
      allowed = used > most.saturation ? most.inFlightSaturated : most.inFlight;
    }, SAMPLE_MS).unref();

    app.addHook('onClose', (_app, next) => {
      clearInterval(timer);
      next();
    });
    app.addHook('onRequest', (_request, reply, next) => {
      inFlight += 1;
      reply.raw.once('close', leave);
      next(isTurnOver() || inFlight > allowed ? new HttpError('overloaded') : undefined);
    });
    done();
  },
  { name: 'load-shedding' },
);
