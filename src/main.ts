import { runUntilSignal } from './composition/lifecycle.ts';
import { reasonOf } from './composition/reason.ts';
import { SERVING } from './composition/serving.ts';
import { ConfigurationError } from './config/load.ts';

async function main([name = '', ...args]: string[]): Promise<void> {
  if (Object.hasOwn(SERVING, name) && args.length === 0) {
    // Not by way of the command line, which costs time at the start (AV-8).
    await runUntilSignal(async () => {
      const { serve } = await import('./composition/serve.ts');
      return await serve(SERVING[name as keyof typeof SERVING], process.env);
    });
  } else {
    const { runCommand } = await import('./composition/cli/run-command.ts');
    await runCommand([name, ...args], process.env);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof ConfigurationError ? error.message : `dragonfly: ${reasonOf(error)}`;
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
