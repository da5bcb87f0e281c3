import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError } from '#src/domain/errors.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { workerOn } from '#test/support/worker.ts';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { jobRow, nap, queueJob, queueJobs, sql, until, untilStatus, urls, working } from './setup.ts';

beforeAll(async () => {
  // Whatever is accepted is written down, so that a second acceptance would be seen.
  await sql('create table public.accepted (job_id uuid not null)');
  await sql(`create function public.note_acceptance() returns trigger language plpgsql security definer as $$
    begin insert into public.accepted values (new.job_id); return new; end $$`);
  await sql(`create trigger accepted after insert on ops.outcome for each row
    when (new.status = 'completed') execute function public.note_acceptance()`);
});

it('[Q-3] loses no job and has none accepted twice when a worker is killed in the middle of 50', async () => {
  const victim = spawn(process.execPath, ['test/support/worker-process.ts', urls.worker], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void victim.kill('SIGKILL'));
  await once(victim.stdout, 'data');
  // However slow the machine is, the last ones are not done when it is killed.
  const ids = await queueJobs(
    'nap',
    Array.from({ length: 50 }, (_, index) => (index < 40 ? 100 : 1000)),
  );
  const idsOf = async (status: string) =>
    (
      await sql('select id from ops.job_now where id = any ($1) and status = $2 order by id', ids, status)
    ).map(({ id }) => id as string);
  await until(async () => {
    expect((await idsOf('completed')).length).toBeGreaterThan(10);
  });
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  // What it asked for last may still be carried out.
  await until(async () => {
    expect(
      await sql(
        "select from pg_stat_activity where datname = current_database() and application_name = 'dragonfly-test-worker'",
      ),
    ).toEqual([]);
  });
  const held = await idsOf('processing');
  expect(held).not.toEqual([]);

  await working([nap]);
  await until(async () => {
    expect(await idsOf('completed')).toEqual(ids.toSorted());
  });
  const accepted = await sql('select job_id as id from public.accepted where job_id = any ($1)', ids);
  expect(accepted.map(({ id }) => id as string).toSorted()).toEqual(ids.toSorted());
  const again = await sql('select id from ops.job_now where id = any ($1) and attempts > 1', ids);
  expect(again.map(({ id }) => id as string).toSorted()).toEqual(held);
});

it('[Q-3] survives a silent connection longer than it may be silent itself, and says so in two lines', async () => {
  const proxy = await tcpProxy(urls.worker);
  onTestFinished(proxy.close);
  const worker = workerOn(proxy.url, [nap]);
  onTestFinished(worker.stop);
  await worker.start();
  const ids = await queueJobs(
    'nap',
    Array.from({ length: 60 }, () => 100),
  );
  await sleep(300);
  proxy.freeze();
  await sleep(4000);
  proxy.thaw();
  for (const id of ids) await untilStatus(id, 'completed');
  const accepted = await sql('select count(*) as n from public.accepted where job_id = any ($1)', ids);
  expect(Number(accepted[0]?.['n'])).toBe(60);
  expect(worker.logged('database unavailable, the worker waits for it')).toHaveLength(1);
  expect(worker.logged('database available again')).toHaveLength(1);
}, 20_000);

it('[AV-6] ends its drain also while the database is silent', async () => {
  const proxy = await tcpProxy(urls.worker);
  onTestFinished(proxy.close);
  const worker = workerOn(proxy.url, [nap]);
  await worker.start();
  const id = await queueJob('nap', 60_000);
  await untilStatus(id, 'processing');
  proxy.freeze();
  const startedAt = performance.now();
  await worker.stop();
  // The connections end when the statements on them do.
  expect(performance.now() - startedAt).toBeLessThan(200 + 5000 + 2000);
  await sql('select ops.cancel_job($1)', id);
}, 30_000);

it('[Q-3] gets jobs back that were claimed by an answer which never arrived', async () => {
  let lost = 0;
  await working([nap], {}, (queue) => ({
    ...queue,
    async claim(types, limit) {
      const jobs = await queue.claim(types, limit);
      if (jobs.length === 0 || lost > 0) return jobs;
      lost = jobs.length;
      throw new DomainError('database_unavailable', 'The answer was lost.');
    },
  }));
  const id = await queueJob('nap', 1);
  await untilStatus(id, 'completed');
  expect(lost).toBe(1);
  expect(await jobRow(id)).toMatchObject({ attempts: 2 });
});

it('[AV-8] starts although its database accepts connections and says nothing, and works when it speaks', async () => {
  const proxy = await tcpProxy(urls.worker);
  onTestFinished(proxy.close);
  proxy.freeze();
  const worker = workerOn(proxy.url, [nap]);
  onTestFinished(worker.stop);
  await worker.start();
  const id = await queueJob('nap', 1);
  await sleep(500);
  expect(await jobRow(id)).toMatchObject({ status: 'pending' });
  proxy.thaw();
  await untilStatus(id, 'completed');
});

it('[AV-8] does not start when the database refuses it for good', async () => {
  const worker = workerOn(urls.api, [nap]);
  onTestFinished(worker.stop);
  await expect(worker.start()).rejects.toThrow('permission denied');
});
