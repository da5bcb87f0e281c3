import { parseArgs } from 'node:util';
import type { Environment } from '#src/config/load.ts';

/** Prints what it returns. */
export type Command = (args: string[], environment: Environment) => Promise<string>;

/** A command-line mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a check found, for the standard output like any answer: exit code 1. */
export class FailedCheck extends Error {
  override readonly name = 'FailedCheck';
}

export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Options = Record<string, { type: 'string'; default?: string } | { type: 'boolean' }>;

/** @throws UsageError */
export function parse<T extends Options>(usage: string, args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`, {
      cause: error,
    });
  }
}
