import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

/** The levels of the laws (OBS-1); pino's own names stay inside. */
const LEVELS: Readonly<Record<string, string>> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'ERROR',
};

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly service: string;
  readonly gitSha: string;
}

/** JSON lines on stdout with timestamp, level, message, service and git_sha; children add trace_id (OBS-1, DEP-1). */
export const createLogger = (
  { level, service, gitSha }: LoggerOptions,
  destination?: DestinationStream,
): Logger =>
  pino(
    {
      level: level === 'warning' ? 'warn' : level,
      messageKey: 'message',
      errorKey: 'error',
      base: { service, git_sha: gitSha },
      timestamp: () => stdTimeFunctions.isoTime().replace('"time"', '"timestamp"'),
      // Fastify's own lines have their error under `err`.
      serializers: { error: describeError, err: describeError },
      formatters: { level: (label) => ({ level: LEVELS[label] ?? label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );

/**
 * What an error says and where it comes from, and nothing of what libraries hang on it: a connection with its cancel key,
 * a row with somebody's data (SEC-1, OBS-2).
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code } = stdSerializers.err(error) as Record<string, unknown>;
  const errors = error instanceof AggregateError ? error.errors.map(describeError) : undefined;
  return { type, message, stack, code, errors };
}
