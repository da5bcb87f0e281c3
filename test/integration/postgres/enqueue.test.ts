import { randomUUID } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Client, Pool } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import {
  queueInTransaction,
  wakeWorkers,
  withKysely,
  withPg,
} from '#src/adapters/outbound/postgres/enqueue.ts';
import { registryOf } from '#src/application/jobs/registry.ts';
import type { DomainError } from '#src/domain/errors.ts';
import { testDatabase } from '../../support/database.ts';
import { idleWorker, noCommitWakes } from '../../support/idle-worker.ts';
import { job } from '../../support/worker.ts';

const database = await testDatabase();
const client = new Client({ connectionString: database.urls.api });
await client.connect();
const kysely = new Kysely<Record<string, never>>({
  dialect: new PostgresDialect({ pool: new Pool({ connectionString: database.urls.api, max: 1 }) }),
});
afterAll(async () => {
  await client.end();
  await kysely.destroy();
});

const { untilWoken, forget } = await idleWorker(database, ['mail.send']);
const registry = registryOf([job('mail.send', async () => null)]);
const context = { traceId: '0af7651916cd43dd8448eb211c80319c', organizationId: randomUUID(), actor: 'test' };
const requests = [1, 2].map((payload) => ({ type: 'mail.send', payload }));

async function queued(): Promise<unknown[]> {
  await client.query('begin');
  await client.query("select set_config('ops.organization_id', $1, true)", [context.organizationId]);
  const { rows } = await client.query('select id, payload, trace_id, created_by from ops.jobs order by id');
  await client.query('rollback');
  return rows;
}

describe('[Q-3] jobs that are queued in a transaction of the caller', () => {
  it('are there when it commits, and not before, with pg', async () => {
    const before = await queued();
    await client.query('begin');
    const answers = await queueInTransaction(withPg(client), registry, context, requests);
    expect(answers.map(({ created }) => created)).toEqual([true, true]);
    await client.query('commit');
    const added = (await queued()).slice(before.length);
    expect(added).toMatchObject(
      answers.map(({ id }, index) => ({
        id,
        payload: index + 1,
        trace_id: context.traceId,
        created_by: context.actor,
      })),
    );
  });

  it('never were when it rolls back, with Kysely', async () => {
    const before = await queued();
    const work = kysely.transaction().execute(async (transaction) => {
      await queueInTransaction(withKysely(transaction), registry, context, requests);
      await sql`select 1 / 0`.execute(transaction);
    });
    await expect(work).rejects.toMatchObject({ code: '22012' });
    expect(await queued()).toEqual(before);
    await kysely.transaction().execute(async (transaction) => {
      await queueInTransaction(withKysely(transaction), registry, context, requests);
    });
    expect(await queued()).toHaveLength(before.length + requests.length);
  });

  it('are checked before anything is sent', async () => {
    const unknown = queueInTransaction(withPg(client), registry, context, [
      { type: 'cake.bake', payload: 1 },
    ]);
    await expect(unknown).rejects.toMatchObject({ code: 'job_type_unknown' } satisfies Partial<DomainError>);
  });

  it.for([
    { library: 'pg', run: withPg(client) },
    { library: 'Kysely', run: withKysely(kysely) },
  ])('wake an idle worker when their caller says so, with $library', async ({ run }) => {
    await noCommitWakes(database);
    await forget();
    await kysely.transaction().execute(async (transaction) => {
      await queueInTransaction(withKysely(transaction), registry, context, requests);
    });
    await wakeWorkers(run, requests);
    expect(await untilWoken()).toEqual(['mail.send']);
  });
});
