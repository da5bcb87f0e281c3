import { Registry } from 'prom-client';
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { type NewSeal, auditSealer } from '#src/adapters/outbound/postgres/audit-sealer.ts';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import { testDatabase } from '#test/support/database.ts';
import { testService } from '#test/support/service.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { until } from '#test/support/until.ts';

const database = await testDatabase();
const poolOf = (url: string) =>
  createPool({
    url,
    applicationName: 'test',
    max: 2,
    acquireTimeoutMs: 2000,
    statementTimeoutMs: 5000,
    onIdleError: () => {},
  });
const owner = poolOf(database.urls.owner);
afterAll(async () => {
  await owner.end();
});

const act = async (count = 1): Promise<void> =>
  void (await query(owner, {
    text: `select ops.audit('test.act', n::text, 'done') from generate_series(1, $1) n`,
    values: [count],
  }));
const unsealed = async (): Promise<number> =>
  Number(
    (await query(owner, { text: 'select count(*) as n from ops.audit_unsealed', values: [] }))[0]?.['n'],
  );

/** A sealer whose interval passes when the test says so. */
function sealing(url: string) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const pool = poolOf(url);
  const metrics = new Registry();
  const seals: NewSeal[] = [];
  const said: string[] = [];
  const sealer = auditSealer({
    pool,
    metrics,
    onSeal: (seal) => seals.push(seal),
    onFailure: () => said.push('failed'),
    onRecovery: () => said.push('recovered'),
  });
  onTestFinished(async () => {
    await sealer.stop();
    vi.useRealTimers();
    await pool.end();
  });
  sealer.start();
  return {
    sealer,
    seals,
    said,
    scrape: async () => await metrics.metrics(),
    fiveSeconds: () => vi.advanceTimersByTime(5000),
  };
}

it('[DATA-7] [ARC-5] seals every 5 s whatever has come, beside the acts, and says each hash', async () => {
  const { seals, said, scrape, fiveSeconds } = sealing(database.urls.worker);
  await act(501);
  expect(await scrape()).toMatch(/audit_unsealed_age_seconds 0?\.\d+\n/);
  fiveSeconds();
  await until(() => {
    expect(seals).toEqual([
      { seq: 1, entries: 500, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { seq: 2, entries: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });
  expect(await unsealed()).toBe(0);
  expect(await scrape()).toContain('audit_seals_total 2\n');
  expect(await scrape()).toContain('audit_unsealed_age_seconds 0\n');
  expect(said).toEqual([]);
});

it('[DATA-7] seals what is left when it stops', async () => {
  const { sealer, seals } = sealing(database.urls.api);
  await act();
  await sealer.stop();
  expect(seals).toMatchObject([{ entries: 1 }]);
});

it('[OBS-2] an outage is said once, and its end; then it seals what has come', async () => {
  const proxy = await tcpProxy(database.urls.api);
  const { sealer, seals, said, scrape, fiveSeconds } = sealing(proxy.url);
  await act();
  await proxy.close();
  fiveSeconds();
  await until(() => {
    expect(said).toEqual(['failed']);
  });
  expect(await scrape()).not.toMatch(/^audit_unsealed_age_seconds/m);
  for (const _ of [1, 2]) fiveSeconds();
  await proxy.open();
  await until(() => {
    fiveSeconds();
    expect(said).toEqual(['failed', 'recovered']);
  });
  expect(seals).toMatchObject([{ entries: 1 }]);
  await sealer.stop();
  await proxy.close();
});

it('[DATA-7] a process of either role seals, at the latest when it ends', async () => {
  for (const role of ['api', 'worker'] as const) {
    const { stop } = await testService(database, [role]);
    await act();
    await stop();
    expect([role, await unsealed()]).toEqual([role, 0]);
  }
});
