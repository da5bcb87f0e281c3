import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const CLAIMANTS = 4;
/** Longer than Node needs to start as often. */
const HEAD_START_MS = 600;
const script = fileURLToPath(new URL('../support/claimant.ts', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragonfly-claim-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Every round but the first finds the claim of a process that was killed. */
it('of several starts at the same time one gets the folder, also a folder of a dead one', async () => {
  for (let round = 1; round <= 5; round += 1) expect(await claimTogether()).toEqual({ won: 1, lost: 3 });
  expect(readdirSync(folder)).toHaveLength(1);
});

async function claimTogether(): Promise<{ won: number; lost: number }> {
  const time = String(Date.now() + HEAD_START_MS);
  const claimants = Array.from({ length: CLAIMANTS }, () =>
    spawn(process.execPath, [script, folder, time], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  try {
    const words = await Promise.all(
      claimants.map(async ({ stdout }) => String(await once(createInterface(stdout), 'line'))),
    );
    const count = (word: string): number => words.filter((other) => other === word).length;
    return { won: count('won'), lost: count('lost') };
  } finally {
    await Promise.all(
      claimants.map(async (claimant) => {
        claimant.kill('SIGKILL');
        await once(claimant, 'exit');
      }),
    );
  }
}
