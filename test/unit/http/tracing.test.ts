import { expect, it } from 'vitest';
import type { SpanStart, Tracing } from '#src/application/tracing.ts';
import { JOB, testApi } from './setup.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

function recorder() {
  const spans: { start: SpanStart; attributes?: object; failed?: boolean }[] = [];
  const tracing: Tracing = {
    startSpan(start) {
      const span: (typeof spans)[number] = { start };
      spans.push(span);
      return {
        traceparent: `00-${start.traceId}-53995c3f42cd8ad8-01`,
        end: (attributes, failed) => Object.assign(span, { attributes, failed }),
      };
    },
  };
  return { spans, tracing };
}

it('[OBS-5] is one span of the caller’s trace', async () => {
  const { spans, tracing } = recorder();
  const { request } = await testApi({ dependencies: { tracing } });
  const { headers } = await request({
    url: `/v1/jobs/${JOB.id}`,
    headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
  });
  expect(headers['traceparent']).toBe(`00-${TRACE}-53995c3f42cd8ad8-01`);
  expect(spans).toEqual([
    {
      start: {
        kind: 'server',
        name: 'GET /v1/jobs/:id',
        traceId: TRACE,
        parentSpanId: '00f067aa0ba902b7',
      },
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/v1/jobs/:id',
        'http.response.status_code': 200,
      },
      failed: false,
    },
  ]);
});

it('[OBS-5] fails by our faults only', async () => {
  const { spans, tracing } = recorder();
  const broken = await testApi({ dependencies: { tracing }, fault: new Error('broken') });
  await broken.request({ url: `/v1/jobs/${JOB.id}` });
  await broken.request({ url: '/v1/jobs?limit=x' });
  expect(spans.map(({ failed }) => failed)).toEqual([true, false]);
});

it('[AV-3] has no span for a probe', async () => {
  const { spans, tracing } = recorder();
  const { request } = await testApi({ dependencies: { tracing } });
  await request({ url: '/health' });
  await request({ url: '/readyz' });
  expect(spans).toEqual([]);
});
