import { type DestinationStream, pino } from 'pino';
import { Counter, type Registry } from 'prom-client';

const FLUSH_MS = 10;
const FLUSH_LENGTH = 32 * 1024;
/** What waits while nobody reads standard output: some seconds of a busy process. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

interface LogDestination extends DestinationStream {
  /** Writes what waits before it returns; pino calls it after a fatal line. */
  flushSync(): void;
}

/**
 * Standard output, for all loggers of the process: through two buffers their lines would tear each other apart. Lines are
 * gathered for at most FLUSH_MS and written off the critical path (ARC-5); what waits when the process exits, by itself or
 * after an uncaught error, is written then. Only a process that is killed loses its last FLUSH_MS.
 *
 * pino's own destination would measure its whole buffer anew with each line, which costs three times as much as to format
 * the line (decision 0009).
 */
export function logDestination(registry: Registry): LogDestination {
  const dropped = new Counter({
    name: 'log_lines_dropped_total',
    help: 'Log lines lost because nobody read standard output.',
    registers: [registry],
  });
  const stdout = pino.destination({ fd: 1, sync: false, maxLength: MAX_WAITING_BYTES });
  stdout.on('drop', (lines: string) => {
    dropped.inc(lines.split('\n').length - 1);
  });

  let gathered = '';
  function handOver(): void {
    if (gathered === '') return;
    const lines = gathered;
    gathered = '';
    stdout.write(lines);
  }
  function flushSync(): void {
    handOver();
    stdout.flushSync();
  }
  process.once('exit', flushSync);

  return {
    write(line) {
      if (gathered === '') setTimeout(handOver, FLUSH_MS);
      gathered += line;
      if (gathered.length >= FLUSH_LENGTH) handOver();
    },
    flushSync,
  };
}
