import { type ServiceApi, createServiceApi } from '#src/adapters/outbound/service-api/client.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { type Outcome, UsageError, defineCommand, defineGroup } from '../command.ts';
import { fieldsTable } from '../table.ts';

type Fields = Readonly<Record<string, unknown>>;

const JOB_COLUMNS = ['id', 'type', 'status', 'priority', 'attempts', 'created_at', 'run_at', 'last_error'];
const QUEUE_COLUMNS = ['type', 'depth', 'scheduled', 'processing', 'failed', 'oldest_age_seconds', 'paused'];
const WORKER_COLUMNS = ['id', 'type', 'status', 'alive', 'started_at', 'last_seen_at'];
const LIMIT = { limit: { type: 'string', default: '1000' } } as const;

export const command = defineGroup({
  list: defineCommand({
    usage: ['[--type TYPE] [--status STATUS] [--limit 1…1000] [--cursor CURSOR]'],
    examples: ['dragonfly jobs list --status failed --type webhook.deliver'],
    options: {
      type: { type: 'string' },
      status: { type: 'string' },
      limit: { type: 'string', default: '50' },
      cursor: { type: 'string' },
    },
    permission: 'jobs:read',
    run: async ({ options: { type, status, limit, cursor }, environment }) => {
      const page = await apiOf(environment).get('/v1/jobs', { type, status, limit, cursor });
      const { jobs, next_cursor: next } = page as { jobs: Fields[]; next_cursor: string | null };
      const more = next === null ? [] : [`more: --cursor ${next}`];
      return { text: [fieldsTable(JOB_COLUMNS, jobs), ...more].join('\n'), data: page };
    },
  }),
  show: defineCommand({
    usage: ['ID'],
    examples: ['dragonfly jobs show 019c1222-7c00-7d3b-9a54-3f1c6a2e8b90'],
    permission: 'jobs:read',
    positionals: 1,
    run: async ({ positionals, environment }) => shown(await apiOf(environment).get(jobPath(positionals))),
  }),
  queue: defineCommand({
    usage: ['TYPE PAYLOAD [--priority N] [--run-at TIME] [--unique-key KEY] [--max-attempts N]'],
    examples: [`dragonfly jobs queue webhook.deliver '{"url": "https://example.com/hook", "body": {}}'`],
    options: {
      priority: { type: 'string' },
      'run-at': { type: 'string' },
      'unique-key': { type: 'string' },
      'max-attempts': { type: 'string' },
    },
    permission: 'jobs:write',
    positionals: 2,
    run: async ({ positionals: [type, payload], options, environment }) => {
      if (type === undefined || payload === undefined) throw new UsageError('TYPE and PAYLOAD are needed.');
      const request = {
        type,
        payload: jsonOf(payload),
        ...(options.priority !== undefined && { priority: Number(options.priority) }),
        ...(options['run-at'] !== undefined && { run_at: options['run-at'] }),
        ...(options['unique-key'] !== undefined && { unique_key: options['unique-key'] }),
        ...(options['max-attempts'] !== undefined && { max_attempts: Number(options['max-attempts']) }),
      };
      return shown(await apiOf(environment).post('/v1/jobs', request));
    },
  }),
  cancel: defineCommand({
    usage: ['ID'],
    examples: ['dragonfly jobs cancel 019c1222-7c00-7d3b-9a54-3f1c6a2e8b90'],
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, environment }) =>
      shown(await apiOf(environment).post(`${jobPath(positionals)}/cancel`)),
  }),
  retry: defineCommand({
    usage: ['ID'],
    examples: ['dragonfly jobs retry 019c1222-7c00-7d3b-9a54-3f1c6a2e8b90'],
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, environment }) =>
      shown(await apiOf(environment).post(`${jobPath(positionals)}/retry`)),
  }),
  redrive: defineCommand({
    usage: ['TYPE [--limit 1…1000]'],
    examples: ['dragonfly jobs redrive webhook.deliver --limit 100'],
    options: LIMIT,
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, options, environment }) =>
      await someOf(environment, `${queuePath(positionals)}/redrive`, options.limit, 'queued again'),
  }),
  purge: defineCommand({
    usage: ['TYPE [--limit 1…1000]'],
    examples: ['dragonfly jobs purge webhook.deliver'],
    options: LIMIT,
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, options, environment }) =>
      await someOf(environment, `${queuePath(positionals)}/purge`, options.limit, 'deleted'),
  }),
  pause: defineCommand({
    usage: ['TYPE'],
    examples: ['dragonfly jobs pause webhook.deliver'],
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, environment }) => {
      await apiOf(environment).post(`${queuePath(positionals)}/pause`);
      return { text: 'paused: its jobs wait, running ones go on', data: { paused: true } };
    },
  }),
  resume: defineCommand({
    usage: ['TYPE'],
    examples: ['dragonfly jobs resume webhook.deliver'],
    permission: 'jobs:write',
    positionals: 1,
    run: async ({ positionals, environment }) => {
      await apiOf(environment).post(`${queuePath(positionals)}/resume`);
      return { text: 'resumed', data: { paused: false } };
    },
  }),
  queues: defineCommand({
    usage: [''],
    examples: ['dragonfly jobs queues'],
    permission: 'jobs:read',
    run: async ({ environment }) => {
      const answer = (await apiOf(environment).get('/v1/queues')) as { queues: Fields[] };
      return { text: fieldsTable(QUEUE_COLUMNS, answer.queues), data: answer };
    },
  }),
  workers: defineCommand({
    usage: [''],
    examples: ['dragonfly jobs workers --json'],
    permission: 'jobs:read',
    run: async ({ environment }) => {
      const answer = (await apiOf(environment).get('/v1/workers')) as { workers: Fields[] };
      return { text: fieldsTable(WORKER_COLUMNS, answer.workers), data: answer };
    },
  }),
});

function apiOf(environment: Environment): ServiceApi {
  const { DRAGONFLY_API_URL, DRAGONFLY_API_KEY } = loadConfig(['jobs'], environment);
  return createServiceApi(DRAGONFLY_API_URL, DRAGONFLY_API_KEY);
}

function jobPath([id]: readonly string[]): string {
  if (id === undefined) throw new UsageError('The ID of a job is needed.');
  return `/v1/jobs/${encodeURIComponent(id)}`;
}

function queuePath([type]: readonly string[]): string {
  if (type === undefined) throw new UsageError('The TYPE of the jobs is needed.');
  return `/v1/queues/${encodeURIComponent(type)}`;
}

const shown = (job: unknown): Outcome => ({ text: JSON.stringify(job, null, 2), data: job });

async function someOf(
  environment: Environment,
  path: string,
  limit: string,
  became: string,
): Promise<Outcome> {
  const answer = (await apiOf(environment).post(path, { limit: Number(limit) })) as { jobs: number };
  const more = answer.jobs === Number(limit) ? '; there may be more' : '';
  return { text: `${answer.jobs} ${became}${more}`, data: answer };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`PAYLOAD is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
