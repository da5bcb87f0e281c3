import { z } from 'zod';

/** Where a value belongs: ConfigMap, Secret, or set by whatever runs the process. */
export type Tier = 'public' | 'sensitive' | 'runtime';

export const ROLES = [
  'api',
  'worker',
  'migrate',
  'roles',
  'keys',
  'audit',
  'webhook-secret',
  'jobs',
  'workers',
  'doctor',
  'security-audit',
  'backup',
  'restore',
  'smoke',
  'scratch',
  'release',
] as const;
/** What a process does: a long-running role or a command. `all` is api and worker in one process. */
export type Role = (typeof ROLES)[number];

export interface Variable<T = unknown> {
  /** From the text of the environment to the value; its default is the text `fallback`. */
  readonly schema: z.ZodType<T, string>;
  readonly description: string;
  readonly tier: Tier;
  readonly roles: readonly Role[];
  readonly fallback: string | undefined;
  readonly optional: boolean;
}

export type ValueOf<V> = V extends Variable<infer T> ? T : never;

interface Options {
  readonly tier?: Tier;
  readonly roles?: readonly Role[];
}

/** A variable with a default, as it would be written in the environment. */
export const withDefault = <T>(
  schema: z.ZodType<T, string>,
  fallback: string,
  description: string,
  { tier = 'public', roles = ROLES }: Options = {},
): Variable<T> => ({ schema, fallback, description, tier, roles, optional: false });

/** A variable without which its roles do not start. */
export const required = <T>(
  schema: z.ZodType<T, string>,
  description: string,
  { tier = 'public', roles = ROLES }: Options = {},
): Variable<T> => ({ schema, fallback: undefined, description, tier, roles, optional: false });

/** A variable that may be missing: the feature is off then. */
export const optional = <T>(
  schema: z.ZodType<T, string>,
  description: string,
  { tier = 'public', roles = ROLES }: Options = {},
): Variable<T | undefined> => ({ schema, fallback: undefined, description, tier, roles, optional: true });

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/**
 * The longest silence that SQL grants a worker. Any sum of a few such durations is also far from the 24 days at which
 * Node's timers fire at once.
 */
const HOUR = '1h';

type Duration = `${number}${keyof typeof UNITS_MS}`;

/** `500ms`, `10s`, `5m`, `1h`, as milliseconds, between two durations inclusive. */
export const duration = (min: Duration = '0s', max: Duration = HOUR) => {
  const message = `A duration such as 500ms, 10s or 5m, from ${min} to ${max}.`;
  return z
    .string()
    .regex(/^\d{1,9}(?:ms|s|m|h)$/, message)
    .transform(milliseconds)
    .refine((ms) => ms >= milliseconds(min) && ms <= milliseconds(max), message);
};

/** Of a duration that is known to be one. */
export function milliseconds(text: string): number {
  const [, digits = '0', unit = 'ms'] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  return Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

export const integer = (min: number, max: number) => {
  const message = `A whole number from ${min} to ${max}.`;
  return z
    .string()
    .regex(/^-?\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
};

/** A share, from none to all. */
export const ratio = () => {
  const message = 'A number from 0 to 1, such as 0.01.';
  return z
    .string()
    .regex(/^\d(?:\.\d{1,9})?$/, message)
    .transform(Number)
    .refine((share) => share <= 1, message);
};

export const flag = () => z.enum(['true', 'false'], 'true or false.').transform((text) => text === 'true');

/** Comma-separated; empty text is the empty list. */
export const list = <T extends z.ZodType<string, string>>(item: T) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item));

export const url = (protocol: RegExp, example: string) =>
  z.url({ protocol, error: `A URL such as ${example}.` });
