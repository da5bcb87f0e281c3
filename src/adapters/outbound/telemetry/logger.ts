import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

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
      formatters: { level: (label) => ({ level: LEVELS[label] ?? label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
