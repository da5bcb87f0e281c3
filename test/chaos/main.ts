/*
 * The queue under faults: real workers on a real PostgreSQL, which are killed, stopped, cut off and restarted while
 * clients queue; then every job is accounted for. Exits with 1 when one is not.
 */
import { randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { howToRepeat, report } from './report.ts';
import { type Options, prepareRun } from './run.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '1000000' },
    /** Decides the jobs and the faults. */
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    workers: { type: 'string', default: '4' },
    producers: { type: 'string', default: '4' },
    /** Jobs that are queued in a second, at most. */
    rate: { type: 'string', default: '2500' },
  },
});
const options: Options = {
  jobs: Number(values.jobs),
  seed: values.seed,
  workers: Number(values.workers),
  producers: Number(values.producers),
  rate: Number(values.rate),
};
const chaos = prepareRun(options);

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    void chaos.stop().finally(() => process.exit(code));
  });
}

console.log(`${options.jobs} jobs. ${howToRepeat(options)}`);
let holds = false;
try {
  const result = await chaos.run();
  holds = report(options, result);
  if (holds) rmSync(result.directory, { recursive: true });
  else console.log(`Journals and logs of the workers: ${result.directory}`);
} finally {
  await chaos.stop();
}
process.exit(holds ? 0 : 1);
