import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Permits, permitsOf } from '#src/adapters/inbound/http/permits.ts';
import { type SharedPermits, guarded } from '#src/adapters/inbound/http/shared-permits.ts';
import { openRedis } from '#src/adapters/outbound/redis/client.ts';
import { redisPermits } from '#src/adapters/outbound/redis/permits.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithRedis } from '../../support/servers.ts';

const MINUTE = 60_000;
const log = createLogger({ level: 'error', service: 'test', gitSha: 'unknown' }, { write: () => {} });

const admits = async (permits: Permits, subject: string): Promise<boolean> =>
  await new Promise((resolve) => {
    permits.take(permits.windowOf(subject), resolve);
  });

const countOf = (admissions: readonly boolean[]): number => admissions.filter(Boolean).length;

describeWithRedis('permits of several replicas', (url) => {
  const clients = [1, 2, 3].map(() => openRedis(url, () => {}));
  beforeAll(async () => {
    await Promise.all(clients.map(async (client) => await once(client, 'ready')));
  });
  afterAll(() => {
    for (const client of clients) client.disconnect();
  });

  /** Replicas with one quota, and what Redis was asked and answered. */
  function replicasWith(max: number, windowMs: number) {
    const quota = { name: randomUUID(), max, windowMs };
    const grants: { granted: number; left: number; remainingMs: number }[] = [];
    const replicas = clients.map((client) => {
      const store = redisPermits(() => client);
      const recording: SharedPermits = {
        async take(...question) {
          const grant = await store.take(...question);
          grants.push(grant);
          return grant;
        },
      };
      return permitsOf(quota, guarded(recording, log));
    }) as [Permits, Permits, Permits];
    return { replicas, grants };
  }

  describe('Redis', () => {
    const [client] = clients as [(typeof clients)[0]];
    const store = redisPermits(() => client);

    it('[SEC-8] grants no more than a window has, and begins anew after it', async () => {
      const key = randomUUID();
      expect(await store.take(key, 2, 5, 200)).toEqual({ granted: 2, left: 3, remainingMs: 200 });
      const { granted, left, remainingMs } = await store.take(key, 9, 5, 200);
      expect({ granted, left }).toEqual({ granted: 3, left: 0 });
      expect(remainingMs).toBeLessThanOrEqual(200);
      expect(await store.take(key, 1, 5, 200)).toMatchObject({ granted: 0, left: 0 });
      await sleep(210);
      expect(await store.take(key, 1, 5, 200)).toEqual({ granted: 1, left: 4, remainingMs: 200 });
    });

    it('[SEC-8] grants nothing of a limit that was lowered below what is spent', async () => {
      const key = randomUUID();
      await store.take(key, 9, 10, MINUTE);
      expect(await store.take(key, 1, 5, MINUTE)).toMatchObject({ granted: 0, left: 0 });
      expect(await store.take(key, 1, 10, MINUTE)).toMatchObject({ granted: 1, left: 0 });
    });
  });

  it.for([1, 2, 3, 20, 39, 40, 100, 1000])(
    '[SEC-8] of %i a window they admit as many together, however many ask at a time',
    async (max) => {
      const { replicas } = replicasWith(max, MINUTE);
      const burst = Array.from({ length: max + 20 }, (_, index) => replicas[index % 3] as Permits);
      const atOnce = countOf(await Promise.all(burst.map(async (replica) => await admits(replica, 'a'))));
      expect(atOnce).toBeLessThanOrEqual(max);

      let after = 0;
      for (const replica of replicas) while (await admits(replica, 'a')) after += 1;
      const admitted = atOnce + after;
      // Each replica asked until it was refused, so nothing is left in anybody's hand.
      expect(admitted).toBe(max);
    },
  );

  it.for([1, 3])('[SEC-8] of %i a window none is lost, whichever replica is asked', async (max) => {
    const { replicas } = replicasWith(max, MINUTE);
    const admissions = [];
    for (const index of Array.from({ length: max + 3 }, (_, nth) => nth))
      admissions.push(await admits(replicas[index % 3] as Permits, 'a'));
    expect(admissions).toEqual(Array.from({ length: max + 3 }, (_, index) => index < max));
  });

  it('[SEC-8] hold back at most a tenth of the quota each', async () => {
    const { replicas } = replicasWith(1000, MINUTE);
    const [first, second, third] = replicas;
    for (const replica of [first, second]) for (const _ of Array(300)) await admits(replica, 'a');
    let rest = 0;
    while (await admits(third, 'a')) rest += 1;
    expect(rest).toBeGreaterThanOrEqual(400 - 2 * 100);
    expect(rest).toBeLessThanOrEqual(400);
  });

  it('[SEC-8] take less at a time as less is left', async () => {
    const { replicas, grants } = replicasWith(400, MINUTE);
    while (await admits(replicas[0], 'a'));
    expect(Math.max(...grants.map(({ granted }) => granted))).toBe(20);
    const nearEnd = grants.filter(({ granted, left }) => granted > 1 && granted > (granted + left) / 4);
    expect(nearEnd).toEqual([]);
  });

  it('[SEC-8] an expired lease is never spent in a later window', async () => {
    const { replicas } = replicasWith(400, 300);
    const [first, second] = replicas;
    for (const _ of Array(50)) await admits(first, 'a');
    const { permits } = first.windowOf('a');
    expect(permits).toBeGreaterThan(0);
    await sleep(310);
    let later = 0;
    while (await admits(second, 'a')) later += 1;
    expect(later).toBe(400);
    expect(await admits(first, 'a')).toBe(false);
  });

  it('[SEC-8] never admit more than the quota in any window, across many of them', async () => {
    const max = 60;
    const windowMs = 250;
    const { replicas, grants } = replicasWith(max, windowMs);
    let admitted = 0;
    const until = performance.now() + 2000;
    const client = async (replica: Permits): Promise<void> => {
      for (; performance.now() < until; await sleep(1)) if (await admits(replica, 'a')) admitted += 1;
    };
    await Promise.all([...replicas, ...replicas].map(client));
    const windows = grants.filter(({ granted, left }) => granted > 0 && granted + left === max).length;
    expect(windows).toBeGreaterThanOrEqual(5);
    expect(admitted).toBeLessThanOrEqual(windows * max);
    expect(admitted).toBeGreaterThanOrEqual((windows - 1) * max * 0.7);
  });

  it.for([
    [100, 0.35],
    [1000, 0.05],
    [1_000_000_000, 0.04],
  ] as const)('[SEC-8] of %i a window few requests ask Redis', async ([max, share]) => {
    const { replicas, grants } = replicasWith(max, MINUTE);
    const requests = Math.min(max, 1000);
    for (const _ of Array(requests)) expect(await admits(replicas[0], 'a')).toBe(true);
    expect(grants.length / requests).toBeLessThan(share);
  });

  it('[SEC-8] who is refused is known, until the window ends', async () => {
    const { replicas, grants } = replicasWith(100, MINUTE);
    while (await admits(replicas[0], 'a'));
    const asked = grants.length;
    for (const _ of Array(100)) expect(await admits(replicas[0], 'a')).toBe(false);
    expect(grants.length).toBe(asked);
  });

  it('[SEC-8] a steady client waits for its first requests only', async () => {
    const { replicas } = replicasWith(1000, MINUTE);
    const [replica] = replicas;
    let waits = 0;
    for (const _ of Array(500)) {
      const window = replica.windowOf('a');
      if (!replica.spend(window)) {
        waits += 1;
        await admits(replica, 'a');
      }
      await sleep(2);
    }
    expect(waits).toBeLessThanOrEqual(5);
  });

  it('[SEC-8] requests that come at once share few questions', async () => {
    const { replicas, grants } = replicasWith(10_000, MINUTE);
    const admissions = Array.from({ length: 500 }, async () => await admits(replicas[0], 'a'));
    expect(countOf(await Promise.all(admissions))).toBe(500);
    expect(grants.length).toBeLessThan(15);
  });
});
