import type {
  Freeze,
  OperatedWorker,
  QueueOperation,
  ReturnedJob,
} from '#src/application/queue/operation.ts';
import type { Timestamp } from '#src/domain/jobs/job.ts';
import type { Row, SqlQuery } from './pool.ts';
import { FREEZE, OF_A_RELEASE } from './queue-freeze.ts';

/** @param run statements as the owner of the schema */
export function postgresQueueOperation(run: (query: SqlQuery) => Promise<Row[]>): QueueOperation {
  const ask = async (text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    await run({ text, values });
  return {
    async freeze() {
      const takenOver = await ask(
        `select ops.unfreeze_queues(), ops.freeze_queues() from ${FREEZE} and starts_with(paused_by, $1)`,
        [OF_A_RELEASE],
      );
      if (takenOver.length === 0) await ask('select ops.freeze_queues()');
    },
    unfreeze: async () => void (await ask('select ops.unfreeze_queues()')),
    async frozen() {
      const [row] = await ask(
        `select paused_at as since, paused_by as by, coalesce(starts_with(paused_by, $1), false) as releasing from ${FREEZE}`,
        [OF_A_RELEASE],
      );
      return (row as Freeze | undefined) ?? null;
    },
    listWorkers: async () =>
      (await ask('select * from ops.workers order by started_at, id')).map(toOperatedWorker),
    commandWorker: async (id, command) =>
      (await ask('select ops.command_worker($1, $2) as found', [id, command]))[0]?.['found'] === true,
    returnLostJobs: async () =>
      (await ask('select job_id, job_type, action_taken from ops.reap_stuck_jobs()')).map(toReturnedJob),
  };
}

const toOperatedWorker = (row: Row): OperatedWorker => ({
  id: row['id'] as OperatedWorker['id'],
  type: row['type'] as OperatedWorker['type'],
  status: row['status'] as OperatedWorker['status'],
  command: row['command'] as OperatedWorker['command'],
  alive: row['alive'] as OperatedWorker['alive'],
  startedAt: row['started_at'] as Timestamp,
  lastSeenAt: row['last_seen_at'] as Timestamp,
});

const toReturnedJob = (row: Row): ReturnedJob => ({
  id: row['job_id'] as ReturnedJob['id'],
  type: row['job_type'] as ReturnedJob['type'],
  became: row['action_taken'] as ReturnedJob['became'],
});
