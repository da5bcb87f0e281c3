import type { AddressInfo } from 'node:net';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, expect, it } from 'vitest';
import { startTracing } from '#src/adapters/outbound/telemetry/tracing.ts';

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: unknown }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Record<string, unknown>[] }[];
  }[];
}

const received: { path: string | undefined; body: Exported }[] = [];
async function collect(request: IncomingMessage, response: ServerResponse): Promise<void> {
  received.push({ path: request.url, body: JSON.parse(await text(request)) as Exported });
  response.end('{}');
}
const collector = createServer((request, response) => void collect(request, response));
await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
afterAll(() => collector.close());
/** With a path of its own, as behind a gateway. */
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/otlp/`;

it('[OBS-5] exports spans of the trace that the request or job has already', async () => {
  const tracing = startTracing({ endpoint, service: 'dragonfly-test', gitSha: 'abc', ratio: 0.6 });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const unsampledId = `${'f'.repeat(8)}${'0'.repeat(24)}`;
  tracing
    .startSpan({ kind: 'server', name: 'POST /v1/jobs', traceId })
    .end({ 'http.route': '/v1/jobs' }, false);
  const consumer = tracing.startSpan({
    kind: 'consumer',
    name: 'process webhook.deliver',
    traceId,
    parentSpanId: 'b7ad6b7169203331',
  });
  consumer.end({}, true);
  const unsampled = tracing.startSpan({ kind: 'server', name: 'GET /v1/jobs', traceId: unsampledId });
  unsampled.end({}, false);
  await tracing.stop();

  expect(received.map(({ path }) => path)).toEqual(['/otlp/v1/traces']);
  const [exported] = received[0]?.body.resourceSpans ?? [];
  expect(exported?.resource.attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'dragonfly-test' },
  });
  const spans = exported?.scopeSpans.flatMap((scope) => scope.spans) ?? [];
  expect(spans).toMatchObject([
    { name: 'POST /v1/jobs', traceId, kind: 2, attributes: [{ key: 'http.route' }] },
    {
      name: 'process webhook.deliver',
      traceId,
      kind: 5,
      parentSpanId: 'b7ad6b7169203331',
      status: { code: 2 },
    },
  ]);
  expect(spans[0]).not.toHaveProperty('parentSpanId', expect.stringMatching(/./));
  expect(consumer.traceparent).toBe(`00-${traceId}-${String(spans[1]?.['spanId'])}-01`);
  expect(unsampled.traceparent).toMatch(new RegExp(`^00-${unsampledId}-(?!0{16})[0-9a-f]{16}-00$`));
});
