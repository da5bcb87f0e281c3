import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

const WRITER = `
import { Registry } from 'prom-client';
import { logDestination } from '#src/adapters/outbound/telemetry/log-destination.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
const registry = new Registry();
const destination = logDestination(registry);
const [logger, other] = ['a', 'b'].map((service) => createLogger({ level: 'info', service, gitSha: 'x' }, destination));
const lines = (count) => { for (let i = 0; i < count; i += 1) (i % 2 ? other : logger).info({ attempt: i }, 'line'); };
`;

/** What a process of its own writes: the end of a process is what this is about. */
async function run(script: string) {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', WRITER + script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  const lines = output.split('\n').filter((line) => line !== '');
  return {
    code: code as number,
    errors,
    numbers: lines.map((line) => (JSON.parse(line) as { attempt: number }).attempt),
  };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

it.for([
  ['ends by itself', '', 0],
  ['exits at once', 'process.exit(3);', 3],
  ['has an uncaught error', 'throw new Error("boom");', 1],
] as const)(
  '[OBS-1] [ARC-5] no line of two loggers is lost or torn when the process %s',
  async ([, end, code]) => {
    const run20k = await run(`lines(20000);${end}`);
    expect(run20k.code).toBe(code);
    expect(run20k.numbers).toEqual(upTo(20_000));
  },
);

it('[ARC-5] counts the lines that nobody reads, and holds no more of them than its bound', async () => {
  const script = `
    import { writeSync } from 'node:fs';
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 100; round += 1) { lines(4000); await new Promise((resolve) => setImmediate(resolve)); }
    const { values } = await registry.getSingleMetric('log_lines_dropped_total').get();
    writeSync(2, JSON.stringify({ dropped: values[0].value, grown: process.memoryUsage().rss - before }));
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', WRITER + script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const report = JSON.parse(await text(child.stderr)) as { dropped: number; grown: number };
  expect(report.dropped).toBeGreaterThan(100_000);
  expect(report.dropped).toBeLessThan(400_000);
  expect(report.grown).toBeLessThan(150 * 1024 * 1024);
});
