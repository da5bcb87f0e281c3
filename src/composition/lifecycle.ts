import type { RunningService } from './serve.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Ties a service to its process: a signal, or the end of the parent that holds an IPC channel, stops it with exit code 0;
 * a second signal ends it at once. What nobody caught is logged and ends the process: its state is unknown.
 */
export function runUntilSignal({ urls, logger, stop }: RunningService): void {
  let stopping = false;
  const end = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ error }, 'service did not stop cleanly');
        process.exit(1);
      },
    );
  };
  for (const signal of STOP_SIGNALS) process.on(signal, end);
  process.once('disconnect', end);

  const crash = (error: unknown): void => {
    logger.fatal({ error }, 'uncaught error');
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  process.send?.({ type: 'ready', ...urls });
}
