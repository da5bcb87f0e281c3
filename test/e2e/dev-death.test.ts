import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Dev, type DevCheckout, devCheckout } from '#test/support/dev-checkout.ts';
import { queueJob, readJob } from '#test/support/dev-jobs.ts';
import { listeningPorts, processOf } from '#test/support/processes.ts';

let checkout: DevCheckout;
beforeAll(async () => {
  checkout = await devCheckout();
});
afterEach(() => checkout.kill());
afterAll(async () => await checkout.remove());

const victims = {
  'the process group': (dev: Dev) => -Number(dev.npm.pid),
  npm: (dev: Dev) => Number(dev.npm.pid),
  'the supervisor': () => processOf(checkout.processes(), /^node dev\/main\.ts$/),
  'the app': () => processOf(checkout.processes(), /^\S+ \S+\/src\/main\.ts all$/),
};

/** Each start is the recovery from the death before it, and finds the job that was queued then. */
describe.runIf(process.platform === 'linux')(
  'npm run dev leaves nothing after 5 s, and loses nothing,',
  () => {
    const jobs: string[] = [];

    it.for([
      ['SIGINT', 'the process group'],
      ['SIGTERM', 'npm'],
      ['SIGKILL', 'npm'],
      ['SIGTERM', 'the supervisor'],
      ['SIGKILL', 'the supervisor'],
      ['SIGTERM', 'the app'],
      ['SIGKILL', 'the app'],
      ['SIGTERM', 'the process group'],
    ] as const)('after %s to %s', async ([signal, victim]) => {
      const dev = checkout.dev();
      const ready = await dev.untilReady();
      for (const job of jobs) expect((await readJob(ready, job)).status).toBe(200);
      jobs.push(await queueJob(ready));
      const ports = listeningPorts(checkout.processes());
      expect(ports.length).toBeGreaterThanOrEqual(3);

      process.kill(victims[victim](dev), signal);
      await vi.waitUntil(() => checkout.processes().size === 0, { timeout: 5000, interval: 50 });
      expect(listeningPorts().filter((port) => ports.includes(port))).toEqual([]);
    });

    describe('also when the app hangs instead of ending:', () => {
      beforeAll(() => {
        const main = join(checkout.directory, 'src/main.ts');
        const hang = `process.on('disconnect', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));`;
        writeFileSync(main, `${hang}\n${readFileSync(main, 'utf8')}`);
      });

      it('after SIGKILL to the supervisor', async () => {
        const ready = await checkout.dev().untilReady();
        for (const job of jobs) expect((await readJob(ready, job)).status).toBe(200);
        process.kill(victims['the supervisor'](), 'SIGKILL');
        await vi.waitUntil(() => checkout.processes().size === 0, { timeout: 5000, interval: 50 });
      });

      it('and at once after a second SIGINT', async () => {
        const ready = await checkout.dev().untilReady();
        for (const job of jobs) expect((await readJob(ready, job)).status).toBe(200);
        const supervisor = victims['the supervisor']();
        process.kill(supervisor, 'SIGINT');
        await sleep(600);
        expect([...checkout.processes().keys()]).toContain(supervisor);
        process.kill(supervisor, 'SIGINT');
        await vi.waitUntil(() => checkout.processes().size === 0, { timeout: 1500, interval: 50 });
      });
    });
  },
);
