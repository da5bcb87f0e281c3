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

const POOL_BYTES = 4096;
let pool = '';
let used = 0;

/** Random in lower-case hex. Drawn for many ids at a time: each draw and each conversion costs more than an id. */
function randomHex(digits: number): string {
  if (used + digits > pool.length) {
    pool = Buffer.from(crypto.getRandomValues(new Uint8Array(POOL_BYTES))).toString('hex');
    used = 0;
  }
  used += digits;
  return pool.slice(used - digits, used);
}

/** As in W3C Trace Context, section 3.2.2.3; to draw the invalid one, all zeros, is less likely than to guess a key. */
export const newTraceId = (): string => randomHex(32);
const newSpanId = (): string => randomHex(16);
