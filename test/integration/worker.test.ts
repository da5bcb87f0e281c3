import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool, query } from '#src/adapters/outbound/postgres/pool.ts';
import type { WorkerQueue } from '#src/application/worker/ports.ts';
import { MEMORY_WAIT_LIMIT_MS } from '#src/adapters/inbound/worker/prefetch.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { JsonValue } from '#src/domain/jobs/job.ts';
import { testDatabase } from '#test/support/database.ts';
import { tcpProxy } from '#test/support/tcp-proxy.ts';
import { job, workerOn } from '#test/support/worker.ts';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';

const { urls } = await testDatabase();

/** As the administrator, who sees and may do everything. */
const admin = createPool({
  url: urls.admin,
  applicationName: 'dragonfly-test',
  max: 2,
  acquireTimeoutMs: 5000,
  statementTimeoutMs: 5000,
  onIdleError: () => {},
});
afterAll(async () => {
  await admin.end();
});

const sql = async (text: string, ...values: unknown[]) => await query(admin, { text, values });

/** Ids in the order of the payloads. */
async function queueJobs(type: string, payloads: readonly JsonValue[], priority = 0): Promise<string[]> {
  const jobs = payloads.map((payload) => ({ type, payload, priority }));
  const rows = await sql('select (q.job).id from ops.queue_jobs($1) q', JSON.stringify(jobs));
  return rows.map((row) => row['id'] as string);
}

async function queueJob(type: string, payload: JsonValue = {}): Promise<string> {
  const [id = ''] = await queueJobs(type, [payload]);
  return id;
}

const jobRow = async (id: string) =>
  (await sql('select status, attempts, last_error, result from ops.job where id = $1', id))[0];

const countOf = async (status: string): Promise<number> =>
  Number((await sql('select count(*) as n from ops.job where status = $1', status))[0]?.['n']);

/** A worker until the test ends. */
async function working(...args: Parameters<typeof workerOn> extends [string, ...infer Rest] ? Rest : never) {
  const worker = workerOn(urls.worker, ...args);
  onTestFinished(worker.stop);
  await worker.start();
  return worker;
}

const until = async (condition: () => unknown, timeout = 10_000): Promise<void> => {
  await vi.waitFor(condition, { timeout, interval: 20 });
};

const untilStatus = async (id: string, status: string): Promise<void> => {
  await until(async () => {
    expect(await jobRow(id)).toMatchObject({ status });
  });
};

const nap = job('nap', async (payload, { signal }) => await sleep(Number(payload), null, { signal }));

beforeAll(async () => {
  // Whatever is accepted is written down, so that a second acceptance would be seen.
  await sql('create table public.accepted (job_id uuid not null)');
  await sql(`create function public.note_acceptance() returns trigger language plpgsql security definer as $$
    begin insert into public.accepted values (new.id); return new; end $$`);
  await sql(`create trigger accepted after update on ops.job for each row
    when (new.status = 'completed') execute function public.note_acceptance()`);
});

describe('a worker on PostgreSQL', () => {
  it('runs what is queued within a fraction of its poll interval', async () => {
    await working([job('quick', async () => 'done')], { pollIntervalMs: 60_000 });
    await sleep(200);
    const startedAt = performance.now();
    const id = await queueJob('quick');
    await untilStatus(id, 'completed');
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('[Q-3] loses no job and has none accepted twice when a worker is killed in the middle of 50', async () => {
    const victim = spawn(process.execPath, ['test/support/worker-process.ts', urls.worker], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void victim.kill('SIGKILL'));
    await once(victim.stdout, 'data');
    const ids = await queueJobs(
      'nap',
      Array.from({ length: 50 }, () => 100),
    );
    await until(async () => {
      expect(await countOf('completed')).toBeGreaterThan(10);
    });
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    const held = await countOf('processing');
    expect(held).toBeGreaterThan(0);

    await working([nap]);
    await until(async () => {
      const rows = await sql(
        'select count(*) as n from ops.job where id = any ($1) and status = $2',
        ids,
        'completed',
      );
      expect(Number(rows[0]?.['n'])).toBe(50);
    });
    const accepted = await sql('select count(*) as n from public.accepted where job_id = any ($1)', ids);
    expect(Number(accepted[0]?.['n'])).toBe(50);
    const again = await sql('select count(*) as n from ops.job where id = any ($1) and attempts > 1', ids);
    expect(Number(again[0]?.['n'])).toBe(held);
  });

  it('[AV-6] returns unfinished jobs at once when it drains, with their attempts', async () => {
    const first = await working([nap]);
    const ids = await queueJobs('nap', [60_000, 60_000]);
    for (const id of ids) await untilStatus(id, 'processing');
    const startedAt = performance.now();
    await first.stop();
    expect(performance.now() - startedAt).toBeLessThan(1500);
    for (const id of ids) expect(await jobRow(id)).toMatchObject({ status: 'pending', attempts: 0 });
    expect(await sql('select status from ops.worker where id = $1', first.id)).toEqual([
      { status: 'stopped' },
    ]);
    await sql('delete from ops.job where id = any ($1)', ids);
  });

  it('[Q-4] aborts a job whose lease was taken from it', async () => {
    const worker = await working([nap]);
    const id = await queueJob('nap', 60_000);
    await untilStatus(id, 'processing');
    await sql('delete from ops.job where id = $1', id);
    await until(() => {
      expect(worker.logged('job aborted')).toMatchObject([{ job_id: id, reason: 'lease_lost' }]);
    });
  });

  it('[Q-5] aborts a running job when it is cancelled, long before the next heartbeat', async () => {
    const worker = await working([nap], { heartbeatIntervalMs: 30_000, abortAfterMs: 45_000 });
    const id = await queueJob('nap', 60_000);
    await untilStatus(id, 'processing');
    await sql('select ops.cancel_job($1)', id);
    await until(() => {
      expect(worker.logged('job aborted')).toMatchObject([{ job_id: id, reason: 'cancelled' }]);
    }, 2000);
    expect(await jobRow(id)).toMatchObject({ status: 'cancelled' });
  });

  it('replaces what PostgreSQL cannot store in results and errors', async () => {
    await working([
      job('result', async () => ({ 'k\0': ['\ud800'] })),
      job(
        'error',
        async () => {
          throw new Error('a\0b\udfff');
        },
        { maxAttempts: 1, initialDelaySeconds: 1, factor: 1, maxDelaySeconds: 1 },
      ),
    ]);
    const result = await queueJob('result');
    const error = await queueJob('error');
    await untilStatus(result, 'completed');
    expect(await jobRow(result)).toMatchObject({ result: { 'k�': ['�'] } });
    await until(async () => {
      expect(await jobRow(error)).toMatchObject({ last_error: 'a�b�' });
    });
    await sql('delete from ops.job where id = $1', error);
  });

  it('stores the other outcomes of a batch when the database refuses one', async () => {
    const endless = { maxAttempts: 5, initialDelaySeconds: 1e9, factor: 1, maxDelaySeconds: 1e9 };
    await working([
      nap,
      job(
        'endless',
        async () => {
          await sleep(50);
          throw new Error('Come back in thirty years.');
        },
        endless,
      ),
    ]);
    const good = await queueJobs('nap', [50, 50, 50, 50]);
    const bad = await queueJob('endless');
    for (const id of good) await untilStatus(id, 'completed');
    await untilStatus(bad, 'failed');
    expect(await jobRow(bad)).toMatchObject({
      last_error: 'The job ran, but the database refused to store its outcome.',
    });
  });

  it('lets no job wait in its memory beside an idle worker', async () => {
    const waits: number[] = [];
    /** Notes how long claimed jobs were in memory before they ran or were given back. */
    function observed() {
      const since = new Map<string, number>();
      const out = (id: string): void => {
        const claimedAt = since.get(id);
        if (claimedAt !== undefined) waits.push(performance.now() - claimedAt);
        since.delete(id);
      };
      const decorate = (queue: WorkerQueue): WorkerQueue => ({
        ...queue,
        async claim(types, limit) {
          const jobs = await queue.claim(types, limit);
          for (const { id } of jobs) since.set(id, performance.now());
          return jobs;
        },
        async complete(reports) {
          const stored = await queue.complete(reports);
          for (const { job, outcome } of reports) if (outcome.status === 'released') out(job.id);
          return stored;
        },
      });
      const mixed = job('mixed', async (payload, { jobId }) => {
        out(jobId);
        return await sleep(Number(payload), null);
      });
      return { decorate, mixed };
    }
    for (let n = 0; n < 2; n += 1) {
      const { decorate, mixed } = observed();
      await working([mixed], { concurrency: 4 }, decorate);
    }
    // Long enough quick ones to be fetched ahead, then slow ones in between.
    await queueJobs(
      'mixed',
      Array.from({ length: 400 }, () => 1),
    );
    const ids = await queueJobs(
      'mixed',
      Array.from({ length: 300 }, (_, n) => (n % 25 === 0 ? 700 : 2)),
    );
    for (const id of ids.slice(-1)) await untilStatus(id, 'completed');
    await until(async () => {
      expect(await countOf('processing')).toBe(0);
    });
    waits.sort((a, b) => a - b);
    expect(waits.length).toBeGreaterThanOrEqual(700);
    expect(waits[Math.floor(waits.length * 0.95)]).toBeLessThan(MEMORY_WAIT_LIMIT_MS);
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
    expect(performance.now() - startedAt).toBeLessThan(12_000);
    await sql('delete from ops.job where id = $1', id);
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
});
