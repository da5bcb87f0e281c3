import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '#src/composition/reason.ts';
import { claimFolder } from './running.ts';
import { stateDirectory } from './servers/state-directory.ts';

const USAGE = `Usage: npm run dev -- [options]
  --reset    empty the database first
  --remote   allow DRAGONFLY_ADMIN_DATABASE_URL to lead to another machine
  --help     print this

Starts PostgreSQL, migrates it, makes an API key, and runs API, worker and metrics in one process. Variables come from
the shell and from .env; DRAGONFLY_ADMIN_DATABASE_URL names a PostgreSQL to use instead of the embedded one.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { reset: { type: 'boolean' }, remote: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const directory = stateDirectory();
  const claim = claimFolder(directory);
  if ('pid' in claim) {
    const place = claim.api === '' ? 'is starting' : `runs at ${claim.api}`;
    console.log(
      `Dragonfly ${place} in this folder already. To stop it: kill ${claim.pid}, or Ctrl-C where it runs.`,
    );
    return values.reset ? 1 : 0;
  }
  const { reset = false, remote = false } = values;
  enableCompileCache(join(directory, 'compile-cache'));
  const { supervise } = await import('./supervisor.ts');
  return await supervise({ directory, reset, remote }, claim);
}

// The terminal may be gone already when the last lines are printed.
process.stdout.on('error', () => {});
try {
  process.exit(await main());
} catch (error) {
  console.error(`dev: ${reasonOf(error)}`);
  process.exit(1);
}
