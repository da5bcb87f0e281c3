import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOnSampler,
  RandomIdGenerator,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { type Tracing, noTracing } from '#src/application/tracing.ts';

export interface TracingOptions {
  /** Base URL of the collector, which may have a path; spans go to `<endpoint>/v1/traces`. */
  readonly endpoint: string;
  readonly service: string;
  readonly gitSha: string;
  /** Share of traces that are recorded, 0 to 1; decided by the trace id, so alike in every service. */
  readonly ratio: number;
}

const KINDS = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER } as const;

/** OpenTelemetry over OTLP/HTTP. */
export function startTracing({ endpoint, service, gitSha, ratio }: TracingOptions): Tracing & {
  stop(): Promise<void>;
} {
  const sampler = new TraceIdRatioBasedSampler(ratio);
  const ids = new RandomIdGenerator();
  let nextTraceId: string | undefined;
  const sdk = new NodeSDK({
    serviceName: service,
    autoDetectResources: false,
    instrumentations: [],
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }),
    sampler: new AlwaysOnSampler(),
    metricReaders: [],
    logRecordProcessors: [],
    // A root span takes the trace id that the request or the job has already.
    idGenerator: {
      generateTraceId: () => nextTraceId ?? ids.generateTraceId(),
      generateSpanId: () => ids.generateSpanId(),
    },
  });
  sdk.start();
  const tracer = trace.getTracer(service, gitSha);

  return {
    startSpan(start) {
      const { kind, name, traceId, parentSpanId } = start;
      // Asked before there is a span: what becomes of one that nobody records would cost as much as the request.
      if (sampler.shouldSample(ROOT_CONTEXT, traceId).decision !== SamplingDecision.RECORD_AND_SAMPLED) {
        return noTracing.startSpan(start);
      }
      const parent =
        parentSpanId === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, {
              traceId,
              spanId: parentSpanId,
              traceFlags: TraceFlags.SAMPLED,
            });
      nextTraceId = traceId;
      const span = tracer.startSpan(name, { kind: KINDS[kind] }, parent);
      nextTraceId = undefined;
      const { spanId, traceFlags } = span.spanContext();
      return {
        traceparent: `00-${traceId}-${spanId}-0${traceFlags}`,
        end(attributes, failed) {
          span.setAttributes(attributes);
          if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    stop: async () => {
      await sdk.shutdown();
    },
  };
}
