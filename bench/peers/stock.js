// The same duties by the usual plugins, at their defaults where they have any: what most services run.
import bearerAuth from '@fastify/bearer-auth';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import metrics from 'fastify-metrics';
import { addRoutes, serve } from './routes.js';

const { BENCH_ANSWER, BENCH_DATABASE_URL, BENCH_KEY, BENCH_ORIGIN, BENCH_COLLECTOR } = process.env;

const tracing = BENCH_COLLECTOR ? await startTracing(BENCH_COLLECTOR) : undefined;
const { fastify } = await import('fastify');
const app = fastify({ logger: true });
if (tracing) await app.register(tracing.plugin());
await app.register(helmet);
await app.register(cors, { origin: [BENCH_ORIGIN] });
await app.register(rateLimit, { max: 1_000_000_000 });
await app.register(metrics, { endpoint: '/metrics' });
await app.register(bearerAuth, { keys: new Set([BENCH_KEY]) });
addRoutes(app, { answer: JSON.parse(BENCH_ANSWER), databaseUrl: BENCH_DATABASE_URL });
await serve(app);

/** Before Fastify and node:http are loaded, or they are not instrumented. */
async function startTracing(collector) {
  const { NodeSDK, tracing } = await import('@opentelemetry/sdk-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { HttpInstrumentation } = await import('@opentelemetry/instrumentation-http');
  const { FastifyOtelInstrumentation } = await import('@fastify/otel');
  const fastifyOtel = new FastifyOtelInstrumentation();
  const sdk = new NodeSDK({
    traceExporter: new OTLPTraceExporter({ url: `${collector}/v1/traces` }),
    sampler: new tracing.ParentBasedSampler({ root: new tracing.TraceIdRatioBasedSampler(0.1) }),
    instrumentations: [new HttpInstrumentation(), fastifyOtel],
  });
  sdk.start();
  return fastifyOtel;
}
