import type { RunningService } from './serve.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Starts a service and ties it to its process: a signal, or the end of the parent that holds an IPC channel, stops it with
 * exit code 0, also while it still waits for its database; a second signal ends it at once. What nobody caught is logged
 * and ends the process: its state is unknown.
 *
 * @throws what `start` throws
 */
export async function runUntilSignal(start: () => Promise<RunningService>): Promise<void> {
  let service: RunningService | undefined;
  let stopping = false;
  const end = (): void => {
    if (!service) process.exit(0);
    if (stopping) process.exit(1);
    stopping = true;
    const { logger, stop } = service;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ error }, 'service did not stop cleanly');
        process.exit(1);
      },
    );
  };
  // Before the start: as process 1 of a container Node would ignore a signal that it has no handler for.
  for (const signal of STOP_SIGNALS) process.on(signal, end);
  process.once('disconnect', end);

  service = await start();
  const { urls, logger } = service;
  const crash = (error: unknown): void => {
    logger.fatal({ error }, 'uncaught error');
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  process.send?.({ type: 'ready', ...urls });
}
