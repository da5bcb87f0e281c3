import { newTraceId, noTracing } from '#src/application/tracing.ts';
import { expect, it } from 'vitest';

it('[OBS-3] [OBS-5] draws each trace id and span id once, across the pools that they are drawn from', () => {
  const traceIds = Array.from({ length: 5000 }, newTraceId);
  const spans = traceIds.map(
    (traceId) => noTracing.startSpan({ kind: 'server', name: 'x', traceId }).traceparent,
  );
  for (const [index, traceparent] of spans.entries()) {
    expect(traceparent).toMatch(new RegExp(`^00-${traceIds[index]}-[0-9a-f]{16}-00$`));
  }
  expect(new Set(traceIds).size).toBe(5000);
  expect(new Set(spans.map((traceparent) => traceparent.slice(36, 52))).size).toBe(5000);
  const leading = new Set(traceIds.map((id) => id.charAt(0)));
  expect(leading.size).toBe(16);
});
