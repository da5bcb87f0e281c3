import { describe, expect, it } from 'vitest';
import { type DependencyCheck, makeReadiness } from '#src/application/health/readiness.ts';

function setUp(kinds: Record<string, 'hard' | 'soft'>, timeoutMs = 50) {
  const down = new Set<string>();
  const silent = new Set<string>();
  const changes: string[] = [];
  let asked = 0;
  let time = 0;
  const checks = Object.entries(kinds).map(([name, kind]): DependencyCheck => ({
    name,
    kind,
    check: async () => {
      asked += 1;
      if (silent.has(name)) await new Promise(() => {});
      if (down.has(name)) throw new Error(`${name} is down`);
    },
  }));
  const readiness = makeReadiness({
    checks,
    timeoutMs,
    onChange: ({ status }, failures) => changes.push(`${status} ${[...failures.keys()].join()}`.trim()),
    now: () => time,
  });
  return { readiness, down, silent, changes, asked: () => asked, tick: (ms: number) => (time += ms) };
}

describe('readiness', () => {
  it('[AV-2] is ready while every hard dependency works', async () => {
    const { readiness } = setUp({ postgres: 'hard', redis: 'soft' });
    expect(await readiness.probe()).toEqual({ status: 'ready', services: { postgres: 'ok', redis: 'ok' } });
  });

  it('[AV-2] stays ready, degraded, without a soft dependency', async () => {
    const { readiness, down } = setUp({ postgres: 'hard', redis: 'soft' });
    down.add('redis');
    expect(await readiness.probe()).toEqual({
      status: 'ready',
      services: { postgres: 'ok', redis: 'degraded' },
    });
  });

  it('[AV-2] is not ready without a hard dependency', async () => {
    const { readiness, down } = setUp({ postgres: 'hard' });
    down.add('postgres');
    expect(await readiness.probe()).toEqual({ status: 'not_ready', services: { postgres: 'unavailable' } });
  });

  it.for([['postgres', 'down'] as const, ['down', 'postgres'] as const])(
    '[AV-2] takes the worst of two connections of one name, %s before %s',
    async (order) => {
      const checks = order.map((connection): DependencyCheck => ({
        name: 'postgres',
        kind: 'hard',
        check: async () => {
          if (connection === 'down') await Promise.reject(new Error('down'));
        },
      }));
      const readiness = makeReadiness({ checks, timeoutMs: 50, onChange: () => {} });
      expect(await readiness.probe()).toEqual({ status: 'not_ready', services: { postgres: 'unavailable' } });
    },
  );

  it('[AV-2] does not wait for a dependency that never answers', async () => {
    const { readiness, silent } = setUp({ postgres: 'hard' });
    silent.add('postgres');
    expect(await readiness.probe()).toMatchObject({ status: 'not_ready' });
  });

  it('[AV-2] shares one check between concurrent probes and keeps the answer for a second', async () => {
    const { readiness, asked, tick } = setUp({ postgres: 'hard' });
    await Promise.all([readiness.probe(), readiness.probe(), readiness.probe()]);
    expect(asked()).toBe(1);
    tick(999);
    await readiness.probe();
    expect(asked()).toBe(1);
    tick(1);
    await readiness.probe();
    expect(asked()).toBe(2);
  });

  it('[AV-4] tells of an outage once when it starts and once when it ends', async () => {
    const { readiness, down, changes, tick } = setUp({ postgres: 'hard', redis: 'soft' });
    const probe = async () => {
      tick(1000);
      await readiness.probe();
    };
    await probe();
    down.add('postgres');
    await probe();
    await probe();
    down.delete('postgres');
    await probe();
    await probe();
    expect(changes).toEqual(['not_ready postgres', 'ready']);
  });

  it('[AV-2] ends at once with shutdown, without asking anybody', async () => {
    const { readiness, asked } = setUp({ postgres: 'hard' });
    readiness.stop();
    expect(await readiness.probe()).toEqual({ status: 'not_ready', services: {} });
    expect(asked()).toBe(0);
  });
});
