import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const checkout = resolve(import.meta.dirname, '../../..');

export const isCheckout = (script: string): boolean => existsSync(resolve(checkout, script));

/** Runs a script that only a checkout has. What it writes is shown, or returned if that is asked for. */
export async function runCheckoutScript(
  script: string,
  args: readonly string[],
  capture: boolean,
): Promise<{ readonly code: number | null; readonly output: string }> {
  if (!isCheckout(script))
    throw new Error(`This needs ${script}, which the image does not hold: run it in a checkout.`);
  const child = spawn(process.execPath, [resolve(checkout, script), ...args], {
    cwd: checkout,
    stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
  });
  const [output, [code]] = await Promise.all([
    child.stdout ? text(child.stdout) : '',
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, output };
}
