import { z } from 'zod';

/** Where a value belongs: ConfigMap, Secret, or set by whatever runs the process. */
export type Tier = 'public' | 'sensitive' | 'runtime';

export const ROLES = ['api', 'worker', 'migrate', 'roles', 'keys', 'webhook-secret'] as const;
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
/** Node's timers fire at once when asked to wait longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `500ms`, `10s`, `5m`, `24h`, as milliseconds. */
export const duration = (minMs = 0) => {
  const message = `A duration such as 500ms, 10s, 5m or 24h, from ${minMs}ms to 24 days.`;
  return z
    .string()
    .regex(/^\d{1,9}(?:ms|s|m|h)$/, message)
    .transform((text) => {
      const [, digits = '0', unit = 'ms'] = /^(\d+)(\w+)$/.exec(text) ?? [];
      return Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
    })
    .refine((ms) => ms >= minMs && ms <= MAX_TIMER_MS, message);
};

export const integer = (min: number, max: number) => {
  const message = `A whole number from ${min} to ${max}.`;
  return z
    .string()
    .regex(/^-?\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
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
