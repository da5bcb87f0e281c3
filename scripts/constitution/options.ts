import { parseArgs } from 'node:util';

const USAGE = `Usage: dragonfly constitution [--json] [--quiet] [--strict] [--gate]
       dragonfly constitution --prove [--json] [--sample N] [LAW…]
Law by law what enforces it and what became of that in the last run of .ci/run. Exit code 1 when a law is broken.
  --gate     every enforcement must have passed in a run of .ci/run on these very files
  --strict   a warning is a fault
  --quiet    only what is wrong
  --prove    sabotage a copy of the checkout and see that the checks notice: of each law that has a sabotage,
             of the laws named, or of N laws that change from day to day`;

/** A command-line mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readOptions(args: string[]) {
  const { values, positionals: laws } = parse(args);
  const { prove, sample } = values;
  if (sample !== undefined && !/^[1-9]\d?$/.test(sample)) throw new UsageError(USAGE);
  if (!prove && (laws.length > 0 || sample !== undefined)) throw new UsageError(USAGE);
  return { ...values, laws };
}

function parse(args: string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const options = { json: flag, quiet: flag, strict: flag, gate: flag, prove: flag } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { ...options, sample: { type: 'string' } },
    });
  } catch (error) {
    throw new UsageError(USAGE, { cause: error });
  }
}
