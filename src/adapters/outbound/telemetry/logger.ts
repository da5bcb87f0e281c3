import { type DestinationStream, type Logger, pino } from 'pino';
import { allowedFields, describeError, withoutCredentials, withoutObjects } from './redaction.ts';

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
export function createLogger(
  { level, service, gitSha }: LoggerOptions,
  destination: DestinationStream,
): Logger {
  const logger = pino(
    {
      level: level === 'warning' ? 'warn' : level,
      messageKey: 'message',
      errorKey: 'error',
      base: { service, git_sha: gitSha },
      timestamp: makeTimestamp(),
      // Fastify's own lines have their error under `err`.
      serializers: { error: describeError, err: describeError },
      formatters: { level: (label) => ({ level: LEVELS[label] ?? label }), log: allowedFields },
      hooks: {
        logMethod(args, method) {
          withoutObjects(args);
          method.apply(this, args);
        },
        streamWrite: withoutCredentials,
      },
    },
    destination,
  );
  // Its children inherit this, too. The formatter for fields does not see what a child is given.
  const makeChild = logger.child;
  logger.child = function child(this: Logger, bindings, options) {
    return makeChild.call(this, allowedFields(bindings), options);
  } as typeof logger.child;
  return logger;
}

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
