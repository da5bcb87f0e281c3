import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';

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

/** JSON lines with timestamp, level, message, service and git_sha; who logs adds trace_id (OBS-1, DEP-1). */
export const createLogger = (
  { level, service, gitSha }: LoggerOptions,
  destination: DestinationStream,
): Logger =>
  pino(
    {
      level: level === 'warning' ? 'warn' : level,
      messageKey: 'message',
      errorKey: 'error',
      base: { service, git_sha: gitSha },
      timestamp: makeTimestamp(),
      // Fastify's own lines have their error under `err`.
      serializers: { error: describeError, err: describeError },
      formatters: { level: (label) => ({ level: LEVELS[label] ?? label }) },
    },
    destination,
  );

/** Under load many lines fall into one millisecond, and to format it costs more than to write it. */
function makeTimestamp(): () => string {
  let formattedAt = 0;
  let formatted = '';
  return () => {
    const now = Date.now();
    if (now !== formattedAt) {
      formattedAt = now;
      formatted = `,"timestamp":"${new Date(now).toISOString()}"`;
    }
    return formatted;
  };
}

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
