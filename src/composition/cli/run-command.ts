import type { Environment } from '#src/config/load.ts';
import { UsageError } from './command.ts';
import { invoke } from './invoke.ts';

/** Runs a command line to its exit code: what it found on the standard output, all else on the standard error. */
export async function runCommand(args: readonly string[], environment: Environment): Promise<void> {
  try {
    const { output, code } = await invoke(args, environment, (text) => {
      process.stderr.write(`${text}\n`);
    });
    if (output !== '') process.stdout.write(`${output}\n`);
    process.exitCode = code;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
