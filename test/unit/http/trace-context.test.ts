import { describe, expect, it } from 'vitest';
import { JOB, testApi } from './setup.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const OTHER = '0af7651916cd43dd8448eb211c80319c';
const url = `/v1/jobs/${JOB.id}`;

async function traceOf(headers: Record<string, string>): Promise<unknown> {
  const { request } = await testApi();
  return (await request({ url, headers })).headers['x-trace-id'];
}

describe('[OBS-3] the trace id', () => {
  it.for([
    ['traceparent', { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, 'x-trace-id': OTHER }],
    ['a traceparent of a later version', { traceparent: `cc-${TRACE}-00f067aa0ba902b7-01-what-comes` }],
    ['X-Trace-Id', { 'x-trace-id': TRACE }],
    ['X-Trace-Id beside a bad traceparent', { traceparent: '00-x-y-01', 'x-trace-id': TRACE }],
  ] as const)('is taken from %s', async ([, headers]) => {
    expect(await traceOf(headers)).toBe(TRACE);
  });

  it.for([
    ['nothing', {}],
    ['version ff', { traceparent: `ff-${TRACE}-00f067aa0ba902b7-01` }],
    ['version 00 with more', { traceparent: `00-${TRACE}-00f067aa0ba902b7-01-more` }],
    ['upper case', { traceparent: `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01` }],
    ['a trace id of zeros', { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` }],
    ['a parent of zeros', { traceparent: `00-${TRACE}-${'0'.repeat(16)}-01` }],
    ['an X-Trace-Id of zeros', { 'x-trace-id': '0'.repeat(32) }],
    ['an X-Trace-Id that is longer', { 'x-trace-id': `${TRACE}0` }],
  ] as const)('is new with %s', async ([, headers]) => {
    const [first, second] = [await traceOf(headers), await traceOf(headers)];
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(first).not.toBe(TRACE);
    expect(second).not.toBe(first);
  });

  it('is in traceparent and in every line of the log', async () => {
    const { request, logLines } = await testApi({ logLevel: 'debug', options: { loggedGrants: 1 } });
    const { headers } = await request({ url: '/v1/jobs?limit=x', headers: { 'x-trace-id': TRACE } });
    expect(headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-(?!0{16})[0-9a-f]{16}-00$`));
    expect(logLines()).toHaveLength(4);
    expect(new Set(logLines().map((line) => line['trace_id']))).toEqual(new Set([TRACE]));
  });

  it('goes with the use case to the database', async () => {
    const traces: string[] = [];
    const { request } = await testApi({ onContext: ({ traceId }) => traces.push(traceId) });
    await request({ url, headers: { 'x-trace-id': TRACE } });
    expect(traces).toEqual([TRACE]);
  });

  it.for(['/health', '/readyz', '/ready'])('is not given to the probe %s', async (url) => {
    const { request } = await testApi();
    const { headers } = await request({ url, headers: { 'x-trace-id': TRACE } });
    expect(headers).not.toHaveProperty('x-trace-id');
    expect(headers).not.toHaveProperty('traceparent');
  });
});
