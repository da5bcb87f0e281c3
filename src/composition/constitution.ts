import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const checkout = resolve(import.meta.dirname, '../..');
const script = resolve(checkout, 'scripts/constitution/main.ts');

/** The laws and what enforces them, which only a checkout has: the image holds neither tests nor the gate. */
export async function constitution(args: string[]): Promise<string> {
  if (!existsSync(script)) throw new Error('This command reads the tests: run it in a checkout.');
  const child = spawn(process.execPath, [script, ...args], { cwd: checkout, stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
  return '';
}
