import { chmodSync, existsSync, rmSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DevCheckout, devCheckout } from '#test/support/dev-checkout.ts';
import { queueJob, readJob } from '#test/support/dev-jobs.ts';
import { processOf } from '#test/support/processes.ts';

let checkout: DevCheckout;
beforeEach(async () => {
  checkout = await devCheckout();
});
afterEach(async () => await checkout.remove());

const stop = (): boolean =>
  process.kill(processOf(checkout.processes(), /^node dev\/main\.ts(?: --reset)?$/), 'SIGTERM');

describe.runIf(process.platform === 'linux')('npm run dev', () => {
  it('--help explains and starts nothing', async () => {
    const dev = checkout.dev(['--help']);
    expect(await dev.ended).toBe(0);
    expect(dev.output()).toContain('--reset    empty the database first');
    expect(existsSync(`${checkout.directory}/.dragonfly`)).toBe(false);
  });

  it.for([
    'postgres://admin:hidden@db.example.com/postgres',
    'postgres://admin:hidden@127.0.0.1/postgres?host=db.example.com',
  ])('refuses the database of another machine: %s', async (url) => {
    const dev = checkout.dev([], { DRAGONFLY_ADMIN_DATABASE_URL: url });
    expect(await dev.ended).toBe(1);
    expect(dev.output()).toContain(
      'DRAGONFLY_ADMIN_DATABASE_URL leads to db.example.com, not to this machine.',
    );
    expect(dev.output()).not.toContain('hidden');
    expect([...checkout.processes().values()]).toEqual([]);
  });

  it('--reset empties the database', async () => {
    const first = checkout.dev();
    const job = await queueJob(await first.untilReady());
    stop();
    await first.ended;

    const second = checkout.dev(['--reset']);
    const response = await readJob(await second.untilReady(), job);
    stop();
    expect(await second.ended).toBe(0);
    expect(response.status).toBe(404);
  });

  it.runIf(process.getuid?.() === 0)(
    'as root keeps its state where the server’s user can reach it',
    async () => {
      chmodSync(checkout.directory, 0o700);
      const dev = checkout.dev();
      const [, state = ''] = await dev.untilPrinted(/^ {2}State +(\/var\/lib\/dragonfly\/\S+)$/m);
      const mode = statSync(`${state}/state.json`).mode & 0o777;
      stop();
      await dev.ended;
      rmSync(state, { recursive: true });
      expect(mode).toBe(0o600);
      expect(existsSync(`${checkout.directory}/.dragonfly`)).toBe(false);
    },
  );
});
