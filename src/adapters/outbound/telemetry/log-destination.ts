import { type DestinationStream, pino } from 'pino';
import { Counter, type Registry } from 'prom-client';

const FLUSH_MS = 10;
const FLUSH_BYTES = 32 * 1024;
/** UTF-8 of a UTF-16 unit, at the most. */
const BYTES_A_UNIT = 3;
/** What waits while nobody reads standard output: some seconds of a busy process. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

interface LogDestination extends DestinationStream {
  /** Writes what waits before it returns; pino calls it after a fatal line. */
  flushSync(): void;
}

/** pino's destination in the mode that its types do not know. */
interface ByteStream {
  write(bytes: Buffer): void;
  flushSync(): void;
  on(event: 'drop', listener: (bytes: Buffer) => void): void;
}

/**
 * Standard output, for all loggers of the process: through two buffers their lines would tear each other apart. Lines are
 * gathered for at most FLUSH_MS and written off the critical path (ARC-5); what waits when the process exits, by itself or
 * after an uncaught error, is written then. Only a process that is killed loses its last FLUSH_MS.
 *
 * They are gathered as bytes: as text, each would be some twenty objects that the garbage collector carries about until they
 * are written (decision 0009).
 */
export function logDestination(registry: Registry): LogDestination {
  const dropped = new Counter({
    name: 'log_lines_dropped_total',
    help: 'Log lines lost because nobody read standard output.',
    registers: [registry],
  });
  const stdout = pino.destination({
    fd: 1,
    sync: false,
    maxLength: MAX_WAITING_BYTES,
    contentMode: 'buffer',
  }) as unknown as ByteStream;
  stdout.on('drop', (bytes) => {
    dropped.inc(bytes.toString().split('\n').length - 1);
  });

  let gathered = Buffer.allocUnsafeSlow(FLUSH_BYTES);
  let length = 0;
  function handOver(): void {
    if (length === 0) return;
    stdout.write(gathered.subarray(0, length));
    gathered = Buffer.allocUnsafeSlow(FLUSH_BYTES);
    length = 0;
  }
  function flushSync(): void {
    handOver();
    stdout.flushSync();
  }
  process.once('exit', flushSync);

  return {
    write(line) {
      const most = line.length * BYTES_A_UNIT;
      if (length + most > FLUSH_BYTES) handOver();
      if (most > FLUSH_BYTES) {
        stdout.write(Buffer.from(line));
        return;
      }
      if (length === 0) setTimeout(handOver, FLUSH_MS);
      length += gathered.write(line, length);
    },
    flushSync,
  };
}
