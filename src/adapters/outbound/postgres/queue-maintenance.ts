import { Client } from 'pg';
import { connectionConfig } from './pool.ts';

const HOUR_MS = 3_600_000;
/** Of connecting; a step itself takes as long as it takes, for it may look through the jobs of a whole day. */
const CONNECT_TIMEOUT_MS = 5000;

interface MaintenanceOptions {
  /** As it is now. */
  readonly url: () => string;
  readonly auditKeepDays: number;
  /** @param step what was done */
  readonly onStep: (step: string) => void;
  readonly onError: (error: unknown) => void;
}

/** The upkeep of the queue's partitions, and the end of what is kept for a time (DATA-7), at the start and every hour, step by step; of many workers one does it at a time. */
export function queueMaintenance({ url, auditKeepDays, onStep, onError }: MaintenanceOptions) {
  const statements = [
    'select ops.maintain() as step',
    `select ops.prune(make_interval(days => ${auditKeepDays})) as step`,
  ];
  let timer: NodeJS.Timeout | undefined;
  let client: Client | undefined;

  async function run(): Promise<void> {
    const own = new Client({
      ...connectionConfig(url(), 'dragonfly-maintenance', 0),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // The statement that is under way says what became of the connection.
    own.on('error', () => {});
    client = own;
    try {
      await own.connect();
      for (const statement of statements) {
        for (let step = await next(own, statement); step !== null; step = await next(own, statement))
          onStep(step);
      }
    } catch (error) {
      if (timer) onError(error);
    } finally {
      client = undefined;
      own.connection.stream.destroy();
    }
  }

  return {
    start(): void {
      timer = setInterval(() => void run(), HOUR_MS).unref();
      void run();
    },
    /** Ends a step that is under way: it is done again by whoever comes next. */
    stop(): void {
      clearInterval(timer);
      timer = undefined;
      client?.connection.stream.destroy();
    },
  };
}

async function next(client: Client, statement: string): Promise<string | null> {
  const { rows } = await client.query<{ step: string | null }>(statement);
  return rows[0]?.step ?? null;
}
