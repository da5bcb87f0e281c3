import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { redis } from '#dev/servers/redis.ts';
import { requireServer } from '#dev/servers/resolve.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { permitsOf } from '#src/adapters/inbound/http/permits.ts';
import { guarded } from '#src/adapters/inbound/http/shared-permits.ts';
import { openRedis, redisCheck } from '#src/adapters/outbound/redis/client.ts';
import { redisPermits } from '#src/adapters/outbound/redis/permits.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { describeWithRedis } from '../../support/servers.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

/** As long as a request may wait for Redis. */
const LONGEST_WAIT_MS = 50;
/** Somewhat more, as answers and timers come late. */
const TOLERANCE_MS = 30;
/** What is decided in the process is decided at once. */
const AT_ONCE_MS = 10;

/** A replica of the limiter that reaches Redis by the URL. */
async function replicaAt(url: string, max: number) {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'warning', service: 'test', gitSha: 'unknown' },
    { write: (line) => lines.push((JSON.parse(line) as { message: string }).message) },
  );
  const client = openRedis(url, () => {});
  const shared = guarded(
    redisPermits(() => client),
    log,
  );
  onTestFinished(() => {
    shared.stop();
    client.disconnect();
  });
  await once(client, 'ready');
  const permits = permitsOf({ name: randomUUID(), max, windowMs: 60_000 }, shared);

  /** One request: whether it was admitted and how long it waited. */
  async function request(subject = 'a'): Promise<{ isAdmitted: boolean; waitMs: number }> {
    const started = performance.now();
    const isAdmitted = await new Promise<boolean>((resolve) => {
      permits.take(permits.windowOf(subject), resolve);
    });
    return { isAdmitted, waitMs: performance.now() - started };
  }

  /** Requests of ever new subjects, none of which has a permit in hand. */
  async function strangers(durationMs: number): Promise<number[]> {
    const waits: number[] = [];
    for (const end = performance.now() + durationMs; performance.now() < end; await sleep(5))
      waits.push((await request(randomUUID())).waitMs);
    return waits;
  }

  const isShared = async (): Promise<void> => {
    await until(() => {
      expect(shared.isAvailable).toBe(true);
    });
  };
  return { client, shared, lines, request, strangers, isShared };
}

/** How long a timer takes on this machine, which may be busy. */
async function timer(ms: number): Promise<number> {
  const started = performance.now();
  await sleep(ms);
  return performance.now() - started;
}

const slowerThan = (ms: number, waits: readonly number[]): number[] => waits.filter((wait) => wait > ms);

describeWithRedis('the limiter without its Redis', (url) => {
  it('[SEC-8] waits once when Redis accepts and never answers, and shares again when it does', async () => {
    const proxy = await tcpProxy(url);
    const replica = await replicaAt(proxy.url, 100);
    expect((await replica.request()).isAdmitted).toBe(true);
    proxy.freeze();
    const [timerMs, ...first] = await Promise.all([
      timer(LONGEST_WAIT_MS),
      ...Array.from({ length: 20 }, async () => (await replica.request(randomUUID())).waitMs),
    ]);
    expect(slowerThan(timerMs + TOLERANCE_MS, first)).toEqual([]);
    expect(replica.shared.isAvailable).toBe(false);
    // Long enough to connect anew, which succeeds: somebody accepts, nobody answers.
    const waits = await replica.strangers(2000);
    expect(waits.length).toBeGreaterThan(100);
    expect(slowerThan(AT_ONCE_MS, waits).length).toBeLessThan(waits.length / 50);
    expect(replica.shared.isAvailable).toBe(false);
    proxy.thaw();
    await replica.isShared();
    expect(replica.lines).toEqual(['rate limits counted in this process only', 'rate limits shared again']);
    expect(replica.shared.outages).toBe(1);
    await proxy.close();
  });

  it('[SEC-8] lets nobody wait any more when the first has waited in vain', async () => {
    const proxy = await tcpProxy(url);
    const replica = await replicaAt(proxy.url, 100);
    proxy.freeze();
    const first = replica.request('first');
    await sleep(LONGEST_WAIT_MS / 2);
    const second = replica.request('second');
    await first;
    const told = await Promise.race([second, sleep(LONGEST_WAIT_MS / 5, 'waits')]);
    expect(told).toMatchObject({ isAdmitted: true });
    await proxy.close();
  });

  it('[SEC-8] holds each client to half of the limit, less what it has spent already', async () => {
    const proxy = await tcpProxy(url);
    const replica = await replicaAt(proxy.url, 100);
    const admittedOf = async (subject: string, requests: number): Promise<number> => {
      let admitted = 0;
      for (const _ of Array(requests)) if ((await replica.request(subject)).isAdmitted) admitted += 1;
      return admitted;
    };
    expect(await admittedOf('early', 30)).toBe(30);
    expect(await admittedOf('greedy', 70)).toBe(70);
    await proxy.close();
    expect(await admittedOf('new', 120)).toBe(50);
    expect(await admittedOf('early', 120)).toBe(20);
    // What it has in hand was taken from Redis before.
    expect(await admittedOf('greedy', 120)).toBeLessThan(10);

    await proxy.open();
    await replica.isShared();
    expect(await admittedOf('new', 1)).toBe(1);
    // Twice in a minute makes no second half.
    await proxy.close();
    await replica.request(randomUUID());
    expect(await admittedOf('new', 120)).toBeLessThan(10);
  });

  it('[SEC-8] shares while Redis takes 20 ms, and nobody waits for more than one answer', async () => {
    const proxy = await tcpProxy(url);
    const replica = await replicaAt(proxy.url, 1000);
    proxy.slow(20);
    const waits: number[] = [];
    for (const _ of Array(200)) {
      const { isAdmitted, waitMs } = await replica.request();
      expect(isAdmitted).toBe(true);
      waits.push(waitMs);
      await sleep(2);
    }
    const first = await Promise.all(Array.from({ length: 30 }, async () => await replica.request('b')));
    waits.push(...first.map(({ waitMs }) => waitMs));
    expect(slowerThan(LONGEST_WAIT_MS + TOLERANCE_MS, waits).length).toBeLessThan(3);
    expect(slowerThan(AT_ONCE_MS, waits).length).toBeLessThan(60);
    expect(replica.shared.outages).toBe(0);
    await proxy.close();
  });

  it('[SEC-8] takes no busy event loop for an outage', async () => {
    const replica = await replicaAt(url, 100);
    const request = replica.request();
    for (const end = performance.now() + 120; performance.now() < end;);
    expect((await request).isAdmitted).toBe(true);
    expect(replica.shared.outages).toBe(0);
  });

  it('[SEC-8] shares again after Redis was killed, and answers for itself meanwhile', async () => {
    const first = await requireServer(redis, { directory: temporaryDirectory('redis') });
    const replica = await replicaAt(first.url, 100);
    await replica.request();
    await first.stop();
    const waits = await replica.strangers(1000);
    expect(slowerThan(AT_ONCE_MS, waits).length).toBeLessThan(waits.length / 50);
    expect(replica.shared.isAvailable).toBe(false);
    const port = Number(new URL(first.url).port);
    const second = await requireServer(redis, { directory: temporaryDirectory('redis'), port });
    await replica.isShared();
    expect((await replica.request()).isAdmitted).toBe(true);
    await second.stop();
  });

  it.for([
    ['is a read-only replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    ['is out of memory', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ] as const)('[SEC-8] answers for itself while Redis %s', async ([, fault, remedy]) => {
    const server = await requireServer(redis, { directory: temporaryDirectory('redis') });
    const admin = new Redis(server.url);
    const call = async ([command, ...rest]: readonly [string, ...string[]]): Promise<unknown> =>
      await admin.call(command, ...rest);
    const replica = await replicaAt(server.url, 100);
    expect((await replica.request()).isAdmitted).toBe(true);
    await call(fault);
    const waits = await replica.strangers(1000);
    expect(slowerThan(AT_ONCE_MS, waits).length).toBeLessThan(waits.length / 50);
    expect(replica.shared.isAvailable).toBe(false);
    // One question a probe, whatever comes in.
    expect(replica.shared.questions.failed).toBeLessThan(10);
    await call(remedy);
    await replica.isShared();
    expect((await replica.request()).isAdmitted).toBe(true);
    admin.disconnect();
    await server.stop();
  });

  it('[AV-2] is degraded in readiness: its check fails', async () => {
    const proxy = await tcpProxy(url);
    const { client } = await replicaAt(proxy.url, 100);
    const { check } = redisCheck(() => client);
    const { signal } = new AbortController();
    expect(await check(signal)).toBeUndefined();
    proxy.freeze();
    await expect(check(signal)).rejects.toBeInstanceOf(Error);
    await proxy.close();
    await expect(check(signal)).rejects.toBeInstanceOf(Error);
  });
});
