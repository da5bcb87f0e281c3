import fp from 'fastify-plugin';
import { Counter, Histogram, type Registry } from 'prom-client';
import { routeOf } from '../route-of.ts';

/** The buckets of OpenTelemetry's `http.server.request.duration`. */
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** OBS-4: latency, throughput and errors of each route. Labels are bounded: templates, never paths. */
export const metrics = fp<{ registry: Registry }>(
  (app, { registry }, done) => {
    const duration = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time from the request’s headers to the end of the response.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
    const samples = new Map<string, ReturnType<typeof duration.labels>>();
    const sampleOf = (method: string, route: string, status: number) => {
      const key = `${status}${method}${route}`;
      const sample = samples.get(key) ?? duration.labels({ method, route, status });
      samples.set(key, sample);
      return sample;
    };
    app.addHook('onResponse', (request, reply, next) => {
      sampleOf(request.method, routeOf(request), reply.statusCode).observe(reply.elapsedTime / 1000);
      next();
    });
    const aborted = new Counter({
      name: 'http_requests_aborted_total',
      help: 'Requests whose client went away before the answer was complete.',
      labelNames: ['method', 'route'],
      registers: [registry],
    });
    app.addHook('onRequestAbort', (request, next) => {
      aborted.inc({ method: request.method, route: routeOf(request) });
      next();
    });
    done();
  },
  { name: 'metrics' },
);
