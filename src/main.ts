import { FailedCheck, UsageError } from './composition/command-line.ts';
import { commands } from './composition/commands.ts';
import { runUntilSignal } from './composition/lifecycle.ts';
import { reasonOf } from './composition/reason.ts';
import { ConfigurationError } from './config/load.ts';

const ROLES = { api: ['api'], worker: ['worker'], all: ['api', 'worker'] } as const;

const USAGE = `Usage: dragonfly <role or command>
  api, worker, all           serve, until SIGTERM
  migrate up|down|status     the schema of the database
  roles                      database and database roles, as its administrator
  keys create|revoke         the API keys of an organisation
  audit verify|list          the log of administrative acts
  webhook-secret             what a receiver verifies an organisation's webhooks with
  config [--json] [role]     what a role would start with and where from; of secrets no value
  constitution               the laws, what enforces them and what became of that; in a checkout
Every variable of the environment: docs/configuration.md`;

async function main([name = '', ...args]: string[]): Promise<void> {
  const roles = Object.hasOwn(ROLES, name) ? ROLES[name as keyof typeof ROLES] : undefined;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (roles && args.length === 0) {
    await runUntilSignal(async () => {
      const { serve } = await import('./composition/serve.ts');
      return await serve(roles, process.env);
    });
  } else if (command) {
    process.stdout.write(`${await command(args, process.env)}\n`);
  } else {
    throw new UsageError(USAGE);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof FailedCheck) {
    process.stdout.write(`${error.message}\n`);
    process.exitCode = 1;
  } else {
    const expected = error instanceof UsageError || error instanceof ConfigurationError;
    process.stderr.write(`${expected ? error.message : `dragonfly: ${reasonOf(error)}`}\n`);
    process.exit(error instanceof UsageError ? 2 : 1);
  }
}
