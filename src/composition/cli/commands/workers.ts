import type { OperatedWorker } from '#src/application/queue/operation.ts';
import type { WorkerCommand } from '#src/application/worker/ports.ts';
import { operate } from '#src/composition/queue-operation.ts';
import { type Command, UsageError, defineCommand, defineGroup } from '../command.ts';
import { fieldsTable } from '../table.ts';

const SHOWN = ['id', 'type', 'status', 'command', 'alive', 'started_at', 'last_seen_at'];

export const command = defineGroup({
  list: defineCommand({
    usage: [''],
    examples: ['dragonfly workers list'],
    permission: 'platform:read',
    run: async ({ environment }) => {
      const workers = (await operate(environment, async (queues) => await queues.listWorkers())).map(viewOf);
      return { text: fieldsTable(SHOWN, workers), data: workers };
    },
  }),
  drain: commanding('drain', 'it takes no more jobs and stays'),
  stop: commanding('stop', 'it takes no more jobs, ends those it has, and then itself'),
  resume: commanding('run', 'it takes jobs'),
  reap: defineCommand({
    usage: [''],
    examples: ['dragonfly workers reap'],
    permission: 'workers:write',
    run: async ({ environment }) => {
      const jobs = await operate(environment, async (queues) => await queues.returnLostJobs());
      return {
        text: fieldsTable(
          ['id', 'type', 'became'],
          jobs.map((job) => ({ ...job })),
        ),
        data: jobs,
      };
    },
  }),
});

function commanding(order: WorkerCommand, means: string): Command {
  const name = order === 'run' ? 'resume' : order;
  return defineCommand({
    usage: ['ID'],
    examples: [`dragonfly workers ${name} worker-019c1222-7c00-7d3b-9a54-3f1c6a2e8b90`],
    permission: 'workers:write',
    positionals: 1,
    run: async ({ positionals: [id], environment }) => {
      if (id === undefined) throw new UsageError('The ID of a worker is needed, as `workers list` shows it.');
      const found = await operate(environment, async (queues) => await queues.commandWorker(id, order));
      if (!found) throw new Error(`There is no worker ${id}. \`workers list\` shows those there are.`);
      return { text: `told: ${means}, at once or within a heartbeat`, data: { id, command: order } };
    },
  });
}

const viewOf = ({ startedAt, lastSeenAt, ...rest }: OperatedWorker) => ({
  ...rest,
  started_at: startedAt,
  last_seen_at: lastSeenAt,
});
