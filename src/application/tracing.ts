export interface Span {
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

const nothing: Span = { end: () => {} };
export const noTracing: Tracing = { startSpan: () => nothing };
