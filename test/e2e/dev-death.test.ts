import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Dev, devCheckout } from '#test/support/dev-checkout.ts';
import { listeningPorts, processOf } from '#test/support/processes.ts';

const checkout = await devCheckout();
afterAll(async () => await checkout.remove());

interface Running {
  readonly dev: Dev;
  readonly api: string;
  readonly authorization: string;
}

async function start(): Promise<Running> {
  onTestFinished(() => checkout.kill());
  const dev = checkout.dev();
  const [, key = ''] = await dev.untilPrinted(/^ {2}API key +(dfk_\S+) /m);
  const [, api = ''] = await dev.untilPrinted(/^ {2}API +(http:\S+)$/m);
  return { dev, api, authorization: `Bearer ${key}` };
}

/** Queues a job that is not due for long, and returns its path. */
async function queueJob({ api, authorization }: Running): Promise<string> {
  const response = await fetch(`${api}/v1/jobs`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'webhook.deliver',
      payload: { url: 'https://example.com', body: {} },
      run_at: new Date(Date.now() + 3_600_000),
    }),
  });
  expect(response.status).toBe(201);
  return response.headers.get('location') ?? '';
}

const victims: Record<string, (dev: Dev) => number> = {
  'the process group': (dev) => -Number(dev.npm.pid),
  npm: (dev) => Number(dev.npm.pid),
  'the supervisor': () => processOf(checkout.processes(), /^node dev\/main\.ts$/),
  'the app': () => processOf(checkout.processes(), /^\S+ \S+\/src\/main\.ts all$/),
};

/** Each start is the recovery from the death before it, and finds the job that was queued then. */
describe.runIf(process.platform === 'linux')(
  'npm run dev leaves nothing after 5 s, and loses nothing,',
  () => {
    let job: string | undefined;

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
      const running = await start();
      await expectJob(running, job);
      job = await queueJob(running);
      const ports = listeningPorts(checkout.processes());
      expect(ports.length).toBeGreaterThanOrEqual(3);

      const pid = victims[victim]?.(running.dev) ?? 0;
      process.kill(pid, signal);
      await vi.waitUntil(() => checkout.processes().size === 0, { timeout: 5000, interval: 50 });
      expect(listeningPorts().filter((port) => ports.includes(port))).toEqual([]);
    });

    it('and the last death is recovered from too', async () => {
      const running = await start();
      await expectJob(running, job);
      process.kill(victims['the supervisor']?.(running.dev) ?? 0, 'SIGTERM');
      expect(await running.dev.ended).toBe(0);
    });
  },
);

async function expectJob({ api, authorization }: Running, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const response = await fetch(`${api}${path}`, { headers: { authorization } });
  expect(await response.json()).toMatchObject({ status: 'pending' });
}
