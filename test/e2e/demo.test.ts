import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { stateDirectory } from '#dev/servers/state-directory.ts';
import { processesOf } from '#test/support/processes.ts';
import { expect, it, vi } from 'vitest';

it(
  'npm run demo shows a delivery, a retry, a dead letter, a delay and an urgent job',
  { timeout: 60_000 },
  async () => {
    const demo = promisify(execFile)(process.execPath, ['dev/demo/main.ts']);
    const embedded = process.platform === 'linux' && process.env['SERVICES'] !== 'containers';
    const [{ stdout, stderr }] = await Promise.all([demo, embedded && expectDurablePostgres()]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/slow delivery\s+completed\s+1\s+#1\s+[0-9a-f]{32}/);
    expect(stdout).toMatch(/urgent, overtakes\s+completed\s+1\s+#2/);
    expect(stdout).toMatch(/waits its turn\s+completed\s+1\s+#3/);
    expect(stdout).toMatch(/fails once, retried\s+completed\s+2\s+#\d #\d/);
    expect(stdout).toMatch(/refused, dead letter\s+failed\s+1/);
    expect(stdout).toMatch(/delayed by 3 s\s+completed\s+1/);
  },
);

/** What it shows is what production does: only tests leave out fsync. */
async function expectDurablePostgres(): Promise<void> {
  const postgres = await vi.waitUntil(
    () =>
      [...processesOf(stateDirectory()).values()].find((command) => /postgres -D \S+-demo-/.test(command)),
    { timeout: 20_000 },
  );
  expect(postgres).toContain('port=');
  expect(postgres).not.toContain('fsync');
}
