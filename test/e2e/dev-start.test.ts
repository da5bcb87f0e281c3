import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dev, type DevCheckout, devCheckout } from '#test/support/dev-checkout.ts';
import { processOf } from '#test/support/processes.ts';

let checkout: DevCheckout;
let dev: Dev;
const busy = createServer();
beforeAll(async () => {
  checkout = await devCheckout();
  busy.listen(Number(checkout.ports.PORT), '127.0.0.1');
  dev = checkout.dev();
});
afterAll(async () => {
  busy.close();
  await checkout.remove();
});
const inCheckout = (path: string): string => join(checkout.directory, path);

/** Each test goes on where the one before it left off, because every start costs seconds. */
describe.runIf(process.platform === 'linux')('npm run dev', () => {
  let api = '';
  let authorization = '';

  it('prints where everything is, and that a port was busy', async () => {
    [, api = ''] = await dev.untilPrinted(/^ {2}API +(http:\S+)\n {2}Docs +\1\/docs\n {2}Metrics +http:/m);
    ({ authorization } = await dev.untilReady());
    busy.close();
    expect(dev.output()).toContain(`port ${checkout.ports.PORT} was busy, ${new URL(api).port} is used`);
    expect(await (await fetch(`${api}/health`)).json()).toEqual({ status: 'ok' });
  });

  it('prints a command that has a webhook delivered', async () => {
    const [, url = '', body = ''] = await dev.untilPrinted(/^ {2}curl -s (\S+) .* -d '(.*)'$/m);
    const headers = { authorization, 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body });
    expect(response.status).toBe(201);
    await dev.untilPrinted(/a webhook arrived \(webhook-id: \S+, traceparent: 00-/);
  });

  it('prints a database URL that shows the queue and is no superuser’s', async () => {
    const [, url = ''] = await dev.untilPrinted(/^ {2}Database +psql '(postgres:\S+)'$/m);
    const client = new Client({ connectionString: url });
    await client.connect();
    const jobs = await client.query('select type from ops.jobs');
    const role = await client.query('select rolsuper from pg_roles where rolname = current_user');
    await client.end();
    expect(jobs.rows).toEqual([{ type: 'webhook.deliver' }]);
    expect(role.rows).toEqual([{ rolsuper: false }]);
  });

  it('lets the docs page be loaded again and again', async () => {
    const loads = Array.from({ length: 50 }, async () => (await fetch(`${api}/docs/`)).status);
    expect(new Set(await Promise.all(loads))).toEqual(new Set([200]));
  });

  it('[SEC-1] gives the app neither the owner’s nor the superuser’s password, and keeps all from other users', () => {
    const state = JSON.parse(readFileSync(inCheckout('.dragonfly/state.json'), 'utf8')) as {
      passwords: Record<'owner' | 'api' | 'worker' | 'readonly', string>;
    };
    const superuser = readFileSync(inCheckout('.dragonfly/postgres/password'), 'utf8');
    const app = processOf(checkout.processes(), /^\S+ \S+\/src\/main\.ts all$/);
    const environment = readFileSync(`/proc/${app}/environ`, 'utf8');
    expect(environment).toContain(state.passwords.api);
    for (const secret of [state.passwords.owner, superuser]) expect(environment).not.toContain(secret);
    const files = ['state.json', 'running.1.json', 'postgres/password', 'postgres/postgres.log'];
    const modes = files.map((file) => statSync(inCheckout(`.dragonfly/${file}`)).mode & 0o777);
    expect(modes).toEqual(files.map(() => 0o600));
  });

  it('tells a second start in the same folder where the first one runs', async () => {
    const second = checkout.dev();
    expect(await second.ended).toBe(0);
    expect(second.output()).toContain(`Dragonfly runs at ${api} in this folder already.`);
  });

  it('restarts the app when a source file is saved, and PostgreSQL goes on', async () => {
    const postmaster = processOf(checkout.processes(), /^\S+\/postgres -D/);
    const file = inCheckout('src/domain/errors.ts');
    const source = readFileSync(file, 'utf8');
    writeFileSync(file, `${source}\n`);
    await dev.untilPrinted(/src\/domain\/errors\.ts was saved, restarting[^]*ready at http:\S+ after/);
    expect(processOf(checkout.processes(), /^\S+\/postgres -D/)).toBe(postmaster);
  });

  it('waits for the next save when a file has a syntax error', async () => {
    const file = inCheckout('src/domain/jobs/job.ts');
    const source = readFileSync(file, 'utf8');
    writeFileSync(file, `${source}\nconst = ;\n`);
    await dev.untilPrinted(/jobs\/job\.ts was saved[^]*the app ended with exit code 1; it starts again/);
    writeFileSync(file, source);
    await dev.untilPrinted(/it starts again[^]*jobs\/job\.ts was saved[^]*ready at http:\S+ after/);
    expect((await fetch(`${api}/readyz`)).status).toBe(200);
  });

  it('applies a migration when it is saved', async () => {
    const name = '29991231235959_dev_test';
    writeFileSync(inCheckout(`migrations/${name}.down.sql`), 'drop table public.dev_test;');
    writeFileSync(inCheckout(`migrations/${name}.up.sql`), 'create table public.dev_test (id integer);');
    await dev.untilPrinted(new RegExp(`migrated ${name}[^]*ready at http:\\S+ after`));
    expect((await fetch(`${api}/readyz`)).status).toBe(200);
  });

  it('reads a saved .env', async () => {
    writeFileSync(inCheckout('.env'), 'DRAGONFLY_RATE_LIMT_ANONYMOUS=1\n');
    await dev.untilPrinted(/DRAGONFLY_RATE_LIMT_ANONYMOUS: unknown[^]*the app ended with exit code 1/);
    await expect(fetch(`${api}/health`)).rejects.toThrow('fetch failed');
    rmSync(inCheckout('.env'));
    await dev.untilPrinted(/DRAGONFLY_RATE_LIMT_ANONYMOUS[^]*\.env was saved[^]*ready at http:\S+ after/);
  });

  it('drains and ends with exit code 0, leaving nothing', async () => {
    process.kill(processOf(checkout.processes(), /^node dev\/main\.ts$/), 'SIGTERM');
    expect(await dev.ended).toBe(0);
    expect(dev.output()).toContain('"message":"service stopped"');
    expect([...checkout.processes().values()]).toEqual([]);
  });
});
