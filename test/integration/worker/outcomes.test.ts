import { setTimeout as sleep } from 'node:timers/promises';
import { job } from '#test/support/worker.ts';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { jobRow, nap, queueJob, queueJobs, untilStatus, until, urls, working } from './setup.ts';

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

it('[Q-3] stores the other outcomes while another session holds the row of one, and that one afterwards', async () => {
  const other = new Client({ connectionString: urls.admin });
  await other.connect();
  onTestFinished(async () => await other.end());
  await working([nap]);
  const held = await queueJob('nap', 300);
  await untilStatus(held, 'processing');
  await other.query('begin');
  await other.query('select from ops.lease where job_id = $1 for update', [held]);
  const rest = await queueJobs('nap', [300, 300, 300, 300]);
  for (const id of rest) await untilStatus(id, 'completed');
  expect(await jobRow(held)).toMatchObject({ status: 'processing' });
  await other.query('rollback');
  await untilStatus(held, 'completed');
});
