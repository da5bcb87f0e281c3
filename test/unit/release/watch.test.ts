import { describe, expect, it } from 'vitest';
import type { WatchSample } from '#src/application/release/ports.ts';
import { countersOf, lookAt } from '#src/application/release/watch-sample.ts';
import type { HttpAnswer, HttpRequest } from '#src/application/smoke/ports.ts';
import { faultOf } from '#src/application/release/watch.ts';

const EXPECTED = { sha: 'new', since: 1000, seesErrors: true };
const seen = (startedAt: number, requests = 0, errors = 0, more: Partial<WatchSample> = {}): WatchSample => ({
  ready: true,
  sha: 'new',
  process: { startedAt, requests, errors },
  ...more,
});
const uncounted: WatchSample = { ready: true, sha: 'new', process: null };
const bad: WatchSample = { ready: false, sha: null, process: null };

describe('[DEP-4] what is watched', () => {
  it.each<[string, WatchSample[]]>([
    ['nothing happens', [seen(900), seen(900)]],
    ['errors of before are not counted', [seen(900, 100, 50), seen(900, 200, 50)]],
    ['one error among few requests', [seen(900), seen(900, 19, 1)]],
    ['a pod that goes', [bad, bad, seen(900)]],
    ['pods that are added', [seen(900), ...[1, 2, 3, 4, 1, 3, 2, 4, 1].map((nth) => seen(1000 + nth))]],
    ['metrics that fail to answer twice', [seen(900), uncounted, uncounted, seen(900)]],
  ])('is well: %s', (_, samples) => {
    expect(faultOf(samples, EXPECTED)).toBeUndefined();
  });

  it.each<[string, WatchSample[], string]>([
    [
      'errors of all processes together',
      [seen(900), seen(901), seen(900, 10, 1), seen(901, 10, 0)],
      '1 of 20',
    ],
    ['nothing but errors, of few requests', [seen(900), seen(900, 3, 3)], '3 of 3'],
    ['another commit', [seen(900, 0, 0, { sha: 'old' })], 'old answered'],
    ['not ready for three looks', [bad, bad, bad], 'not ready 3 times'],
    [
      'processes that begin again and again',
      [1, 2, 3, 4]
        .flatMap((nth) => Array.from({ length: 12 }, () => seen(1000 + nth)))
        .concat(Array.from({ length: 12 }, () => seen(1005))),
      '3 processes began while it was watched, and ended',
    ],
    ['metrics that stop answering', [seen(900), uncounted, uncounted, uncounted], 'did not answer 3 times'],
  ])('is not well: %s', (_, samples, fault) => {
    expect(faultOf(samples, EXPECTED)).toContain(fault);
  });
});

it('[DEP-4] metrics that nobody said where to find are not missed', () => {
  const samples = Array.from({ length: 5 }, () => uncounted);
  expect(faultOf(samples, { ...EXPECTED, seesErrors: false })).toBeUndefined();
});

it('[DEP-4] each look has a connection of its own, which any replica may answer', async () => {
  const asked: HttpRequest[] = [];
  const call = async (request: HttpRequest): Promise<HttpAnswer> => {
    asked.push(request);
    return await Promise.resolve({ status: 200, headers: {}, text: '', ms: 1 });
  };
  await lookAt({ call }, { url: 'http://api', opsUrl: 'http://ops', opsToken: 'secret' });
  expect(asked).toEqual([
    { url: 'http://api/readyz', headers: { connection: 'close' } },
    { url: 'http://ops/metrics', headers: { connection: 'close', authorization: 'Bearer secret' } },
  ]);
});

it('reads what a process has counted from its metrics', () => {
  const text = [
    '# TYPE http_request_duration_seconds histogram',
    'http_request_duration_seconds_bucket{le="1",method="GET",route="/v1/jobs",status="500"} 9',
    'http_request_duration_seconds_count{method="GET",route="/v1/jobs",status="200"} 7',
    'http_request_duration_seconds_count{method="GET",route="/v1/jobs",status="503"} 2',
    'process_start_time_seconds 1795824000.5',
  ].join('\n');
  expect(countersOf(text)).toEqual({ startedAt: 1_795_824_000.5, requests: 9, errors: 2 });
  expect(countersOf('')).toBeNull();
});
