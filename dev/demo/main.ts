import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '#src/composition/reason.ts';
import { onStopRequest } from '../stop-requests.ts';
import { type JobView, demoClient } from './client.ts';
import { type Delivery, startDemoReceiver } from './receiver.ts';
import { SCENES, type Scene } from './scenario.ts';
import { startDemoService } from './service.ts';
import { type Line, createTable } from './table.ts';

const REFRESH_MS = 200;
const LONGEST_MS = 60_000;

/** @returns whether every job ended as its scene says */
async function play(stopped: AbortSignal): Promise<boolean> {
  console.log('Starting PostgreSQL, API, worker and a receiver of webhooks …');
  const service = await startDemoService();
  const receiver = await startDemoReceiver(SCENES, service.signingSecret);
  try {
    const client = demoClient(service.apiUrl, service.key);
    const ids = new Map<Scene, string>();
    const deadline = Date.now() + LONGEST_MS;
    for (const scene of SCENES) {
      ids.set(scene, (await client.queue(requestOf(scene, receiver.url))).id);
      // The worker has begun with the first before it could choose among them.
      while (receiver.deliveries.length === 0 && !stopped.aborted && Date.now() < deadline) await sleep(10);
    }

    const table = createTable(process.stdout);
    for (; ; await sleep(REFRESH_MS)) {
      const jobs = await Promise.all(SCENES.map(async (scene) => await client.find(ids.get(scene) ?? '')));
      const finished = jobs.every(({ status }) => status === 'completed' || status === 'failed');
      const last = finished || stopped.aborted || Date.now() > deadline;
      table.draw(
        SCENES.map((scene, index) => lineOf(scene, jobs[index], receiver.deliveries)),
        last,
      );
      if (last) {
        console.log(`
"seen" is the order in which the receiver saw them; it verified every signature with the package standardwebhooks.
The trace id is in the log lines of API and worker, in the database and in the receiver's headers.
Log lines: ${service.log}`);
        return SCENES.every((scene, index) => endedAs(scene, jobs[index])) && overtaken(receiver.deliveries);
      }
    }
  } finally {
    receiver.stop();
    await service.stop();
  }
}

const requestOf = ({ path, title, priority, delayMs }: Scene, receiverUrl: string) => ({
  type: 'webhook.deliver',
  payload: { url: `${receiverUrl}${path}`, body: { title } },
  ...(priority !== undefined && { priority }),
  ...(delayMs !== undefined && { run_at: new Date(Date.now() + delayMs).toISOString() }),
});

function lineOf({ title, path }: Scene, job: JobView | undefined, deliveries: readonly Delivery[]): Line {
  const places = deliveries.flatMap((delivery, index) => (delivery.path === path ? [`#${index + 1}`] : []));
  return {
    title,
    status: job?.status ?? '',
    attempts: String(job?.attempts ?? ''),
    arrived: places.join(' '),
    traceId: job?.trace_id ?? '',
  };
}

const endedAs = ({ ends }: Scene, job: JobView | undefined): boolean =>
  job?.status === ends.status && job.attempts === ends.attempts;

function overtaken(deliveries: readonly Delivery[]): boolean {
  const order = deliveries.map(({ path }) => path);
  return order.indexOf('/urgent') < order.indexOf('/waits');
}

const stop = new AbortController();
onStopRequest({ stop: () => stop.abort(), hurry: () => process.exit(1) });
try {
  const asTold = await play(stop.signal);
  if (!asTold) console.error('demo: not every job ended as it should');
  process.exit(asTold || stop.signal.aborted ? 0 : 1);
} catch (error) {
  console.error(`demo: ${reasonOf(error)}`);
  process.exit(1);
}
