import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it(
  'npm run demo shows a delivery, a retry, a dead letter, a delay and an urgent job',
  { timeout: 60_000 },
  async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['dev/demo/main.ts']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/slow delivery\s+completed\s+1\s+#1\s+[0-9a-f]{32}/);
    expect(stdout).toMatch(/urgent, overtakes\s+completed\s+1\s+#2/);
    expect(stdout).toMatch(/waits its turn\s+completed\s+1\s+#3/);
    expect(stdout).toMatch(/fails once, retried\s+completed\s+2\s+#\d #\d/);
    expect(stdout).toMatch(/refused, dead letter\s+failed\s+1/);
    expect(stdout).toMatch(/delayed by 3 s\s+completed\s+1/);
  },
);
