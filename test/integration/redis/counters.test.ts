import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { openRedis, redisCheck } from '#src/adapters/outbound/redis/client.ts';
import { redisCounters } from '#src/adapters/outbound/redis/counters.ts';
import { describeWithRedis } from '../../support/servers.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

describeWithRedis('shared counters', (url) => {
  const replicas = [openRedis(url, () => {}), openRedis(url, () => {})] as const;
  afterAll(() => {
    for (const replica of replicas) replica.disconnect();
  });

  it('[SEC-8] are one count for all replicas, which ends with its window', async () => {
    const key = randomUUID();
    const [first, second] = replicas.map((client) => redisCounters(client)) as [Counters, Counters];
    await expect
      .poll(async () => await redisCheck(replicas[1]).check(new AbortController().signal))
      .toBeUndefined();
    expect(await first.increment(key, 200)).toEqual({ count: 1, remainingMs: expect.any(Number) });
    const { count, remainingMs } = await second.increment(key, 200);
    expect(count).toBe(2);
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(200);
    await sleep(210);
    expect(await first.increment(key, 200)).toMatchObject({ count: 1 });
  });

  it('[SEC-8] make one request wait when Redis falls silent, none after it, and come back', async () => {
    const proxy = await tcpProxy(url);
    const client = openRedis(proxy.url, () => {});
    const counters = redisCounters(client);
    await expect.poll(async () => await counters.increment(randomUUID(), 1000)).toMatchObject({ count: 1 });
    const failing = async (): Promise<number> => {
      const started = performance.now();
      await expect(counters.increment(randomUUID(), 1000)).rejects.toBeInstanceOf(Error);
      return performance.now() - started;
    };
    proxy.freeze();
    expect(await failing()).toBeLessThan(200);
    const waits: number[] = [];
    // Longer than it takes to connect anew, which succeeds: somebody accepts, nobody answers.
    for (const until = Date.now() + 1500; Date.now() < until; await sleep(10)) waits.push(await failing());
    // One or two may have waited for this machine.
    expect(waits.filter((ms) => ms > 40).length).toBeLessThan(3);
    proxy.thaw();
    await expect.poll(async () => await counters.increment(randomUUID(), 1000)).toMatchObject({ count: 1 });
    client.disconnect();
    await proxy.close();
  });

  it('fail at once while there is no connection', async () => {
    const client = openRedis('redis://127.0.0.1:1', () => {});
    await expect(redisCounters(client).increment('a', 1000)).rejects.toThrow(/offline|writeable/);
    client.disconnect();
  });
});

type Counters = ReturnType<typeof redisCounters>;
