import { stdSerializers } from 'pino';

/** What lines say beside their message. What else an object has that is logged by mistake is only counted (SEC-1, OBS-2). */
const FIELDS: ReadonlySet<string> = new Set([
  'actor',
  'address',
  'attempt',
  'backoff_seconds',
  'code',
  'command',
  'detail',
  'duration_ms',
  'entries',
  'event',
  'faults',
  'file',
  'git_sha',
  'hash',
  'job_id',
  'job_type',
  'method',
  'operation',
  'organization_id',
  'outage_ms',
  'permission',
  'retried',
  'route',
  'running',
  'seq',
  'service',
  'status',
  'step',
  'suppressed',
  'trace_id',
  'unreported',
  'variable',
]);
/** Lists or objects of plain values. */
const COLLECTIONS: ReadonlySet<string> = new Set(['reasons', 'roles', 'services', 'urls']);
/** Described by `describeError`. */
const ERRORS: ReadonlySet<string> = new Set(['err', 'error']);

const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null;

const isAllowed = (key: string, value: unknown): boolean =>
  (FIELDS.has(key) && isPlain(value)) ||
  ERRORS.has(key) ||
  (COLLECTIONS.has(key) && !isPlain(value) && Object.values(value as object).every(isPlain));

type Fields = Record<string, unknown>;

/** The fields that may be logged, and of the others how many there were. */
export function allowedFields(fields: Fields): Fields {
  for (const key in fields) if (!isAllowed(key, fields[key])) return withoutOthers(fields);
  return fields;
}

function withoutOthers(fields: Fields): Fields {
  const entries = Object.entries(fields);
  const allowed = entries.filter(([key, value]) => isAllowed(key, value));
  return { ...Object.fromEntries(allowed), withheld: entries.length - allowed.length };
}

/** What is no text in a message, or among what is to be put into it, would be written out. */
export function withoutObjects(args: unknown[]): void {
  for (let index = 1; index < args.length; index += 1) {
    if (!isPlain(args[index])) args[index] = '[withheld]';
  }
}

/**
 * What an error says and where it comes from, and nothing of what libraries hang on it: a connection with its cancel key,
 * a row with somebody's data.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return isPlain(error) ? error : { type: 'object' };
  const { type, message, stack, code } = stdSerializers.err(error) as Record<string, unknown>;
  const errors = error instanceof AggregateError ? error.errors.map(describeError) : undefined;
  return { type, message, stack, code: isPlain(code) ? code : undefined, errors };
}

const CREDENTIALS = /(?<=\/\/)[^\s/"]*(?=@)|(?<=[?&]password=)[^\s&"]*/g;

/** A whole line: whatever text had a URL in it. */
export const withoutCredentials = (line: string): string =>
  line.includes('://') ? line.replace(CREDENTIALS, '***') : line;
