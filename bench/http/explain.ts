import type { Bench } from './bench.ts';
import { type Duty, duties } from './duties.ts';
import { type Target, perCpuSecond } from './measure.ts';
import { requestsOf } from './requests.ts';
import { type Server, startServer } from './server.ts';

interface Cost {
  readonly duty: string;
  /** Processor time that a request costs less without it. */
  readonly microseconds: number;
  readonly 'of the whole': string;
}

/**
 * The table of costs, one duty at a time: the service with everything beside the service without it, in turns. Of each its
 * best slice counts: noise only ever adds, and most duties cost less than it.
 */
export async function explain(bench: Bench, rounds: number, only: string): Promise<void> {
  const whole = await startServer(['src/main.ts', 'api'], bench.service);
  const { 'GET job types': request } = await requestsOf(bench, whole.url);
  const targetOf = ({ url, pid }: Server): Target => ({ url, request, pids: async () => [pid] });

  async function costOf({ name, edits }: Duty): Promise<Cost> {
    const without = await startServer(['--import', './bench/http/without.js', 'src/main.ts', 'api'], {
      ...bench.service,
      BENCH_WITHOUT: JSON.stringify(edits),
    });
    try {
      const rates = await perCpuSecond(targetOf(whole), targetOf(without), { rounds, load: bench.load });
      const [all = 0, less = 0] = rates.map((samples) => 1e6 / Math.max(...samples));
      return {
        duty: name,
        microseconds: Number((all - less).toFixed(1)),
        'of the whole': `${Math.round((100 * (all - less)) / all)} %`,
      };
    } finally {
      await without.stop();
    }
  }

  const costs: Cost[] = [];
  try {
    for (const duty of duties().filter(({ name }) => name.includes(only))) {
      costs.push(await costOf(duty));
      console.log(`${duty.name}: ${costs.at(-1)?.microseconds} µs`);
    }
  } finally {
    await whole.stop();
  }
  console.table(costs.toSorted((a, b) => b.microseconds - a.microseconds));
}
