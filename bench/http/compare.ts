import { type Row, rowOf } from '../report.ts';
import type { Bench } from './bench.ts';
import { databasePids } from './database.ts';
import { type Target, p99AtHalfLoad, perCpuSecond } from './measure.ts';
import { requestsOf } from './requests.ts';
import type { Comparison, ServerName } from './rows.ts';
import { servers } from './servers.ts';

/** Measures one row after the other. Those with Redis are missing where there is none. */
export async function compare(
  comparisons: readonly Comparison[],
  bench: Bench,
  rounds: number,
): Promise<Row[]> {
  const { get, stop } = servers(bench);
  const rows: Row[] = [];
  try {
    const requests = await requestsOf(bench, (await get('service')).url);
    const targetOf = async (name: ServerName, { request, database }: Comparison): Promise<Target> => {
      const { url, pid } = await get(name);
      const others = async () => (database ? await databasePids(bench.databaseUrl) : []);
      return { url, pids: async () => [pid, ...(await others())], request: requests[request] };
    };
    for (const comparison of comparisons) {
      const { name, ours, peer, measure, bar } = comparison;
      if (ours === 'service with Redis' && bench.redisUrl === undefined) {
        console.error(`${name}: left out, there is no Redis. Install Debian's redis-server.`);
        continue;
      }
      const pair = [await targetOf(ours, comparison), await targetOf(peer, comparison)] as const;
      const latency = measure === 'p99';
      const [samples, peerSamples] = await (latency ? p99AtHalfLoad : perCpuSecond)(...pair, {
        rounds,
        load: bench.load,
      });
      const unit = latency ? 'ms' : 'requests a CPU second';
      rows.push(rowOf(name, unit, samples, [peer, peerSamples], bar));
      console.log(`${name}: ${rows.at(-1)?.ratio} of ${peer}`);
    }
  } finally {
    await stop();
  }
  return rows;
}
