export interface Span {
  /** W3C `traceparent` that makes this span the parent of what is called; its flag says whether the span is recorded. */
  readonly traceparent: string;
  /** @param failed whether the work went wrong through a fault of ours */
  end(attributes: Readonly<Record<string, string | number>>, failed: boolean): void;
}

export interface SpanStart {
  /** `server` answers a request, `consumer` works on a job. */
  readonly kind: 'server' | 'consumer';
  readonly name: string;
  /** Known before any span is: from the request, or from the job. */
  readonly traceId: string;
  /** 16 lower-case hex digits; without it the span is the first of its trace in this service. */
  readonly parentSpanId?: string | undefined;
}

/** Where spans go; nowhere, unless a collector is configured (OBS-5). */
export interface Tracing {
  startSpan(start: SpanStart): Span;
}

/** Carries the trace on, with a span that nobody records. */
export const noTracing: Tracing = {
  startSpan: ({ traceId }) => ({ traceparent: `00-${traceId}-${newSpanId()}-00`, end: () => {} }),
};

/** The second half of a UUID begins with its variant, so it is never all zeros. */
const newSpanId = (): string => crypto.randomUUID().slice(19).replace('-', '');
