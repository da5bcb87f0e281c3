import type { Client } from 'pg';
import { median } from '../../report.ts';
import { TYPE } from '../engine.ts';
import type { Measure } from './measure.ts';

const CLAIMS = 9;

/** Buffers that a claim of 100 touches in front of so many ready jobs; the plan is measured, not the time. */
export const claimBuffers =
  (backlog: (volume: Parameters<Measure>[2]) => number): Measure =>
  async (bench, name, volume) =>
    await bench.withDatabase(name, async ({ url, engine, client }) => {
      await engine.backlog(url, { kind: 'ready', count: backlog(volume) });
      const buffers: number[] = [];
      for (let claim = 0; claim < CLAIMS; claim += 1) buffers.push(await buffersOfClaim(client));
      return median(buffers);
    });

async function buffersOfClaim(client: Client): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Readonly<Record<string, number>> }] }>(
    `explain (analyze, buffers, timing off, format json) select * from ops.claim_jobs('{${TYPE}}', 100, 30, 'bench')`,
  );
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  return (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0);
}
