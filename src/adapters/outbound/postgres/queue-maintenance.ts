import type { Pool } from 'pg';
import { query } from './pool.ts';

const HOUR_MS = 3_600_000;

interface MaintenanceOptions {
  /** @param partitions names of tables with finished jobs, or of claims, that are gone */
  readonly onDropped: (partitions: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
}

/** Makes the partitions of the coming days and drops old ones, at the start and every hour; of many workers one does it. */
export function queueMaintenance(pool: Pool, { onDropped, onError }: MaintenanceOptions) {
  let timer: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    try {
      const rows = await query(pool, { text: 'select ops.maintain() as partition', values: [] });
      if (rows.length > 0) onDropped(rows.map((row) => String(row['partition'])));
    } catch (error) {
      onError(error);
    }
  }

  return {
    start(): void {
      void run();
      timer = setInterval(() => void run(), HOUR_MS).unref();
    },
    stop(): void {
      clearInterval(timer);
    },
  };
}
