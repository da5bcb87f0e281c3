import { z } from 'zod';
import type { Finding } from '../checks/finding.ts';
import type { Clock, HttpAnswer, HttpCaller, HttpRequest } from './ports.ts';
import { critical, ok } from './smoke-finding.ts';
import { startOf } from './start-of.ts';

const LONGEST_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

const job = z.object({
  id: z.string(),
  status: z.string(),
  result: z.unknown(),
  last_error: z.string().nullable(),
});
type Job = z.output<typeof job>;

interface Tools {
  readonly http: HttpCaller;
  readonly clock: Clock;
  /** Of this smoke test: also its idempotency key, so that a repeated request queues no second job. */
  readonly nonce: string;
}

/** Queues a job that does nothing and waits for its end: API, database, worker and the way back. */
export async function jobRoundTrip(
  url: string,
  key: string,
  { http, clock, nonce }: Tools,
): Promise<Finding> {
  const start = clock.now();
  const left = (): number => start + LONGEST_MS - clock.now();
  const send = async (request: HttpRequest): Promise<Job> => {
    const headers = { authorization: `Bearer ${key}`, ...request.headers };
    return await untilAnswered(async () => await http.call({ ...request, headers }), clock, left);
  };
  try {
    let seen = await send({
      method: 'POST',
      url: `${url}/v1/jobs`,
      headers: { 'idempotency-key': nonce },
      body: { type: 'smoke.echo', payload: { message: nonce } },
    });
    for (let pause = FIRST_PAUSE_MS; isUnfinished(seen); pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (left() < pause)
        return critical('job', `the job ${seen.id} is ${seen.status} after ${LONGEST_MS / 1000} s`);
      await clock.sleep(pause);
      seen = await send({ url: `${url}/v1/jobs/${seen.id}` });
    }
    return verdictOn(seen, nonce, Math.round(clock.now() - start));
  } catch (error) {
    return critical('job', error instanceof Error ? error.message : String(error));
  }
}

const isUnfinished = ({ status }: Job): boolean => status === 'pending' || status === 'processing';

function verdictOn({ id, status, result, last_error }: Job, nonce: string, ms: number): Finding {
  if (status !== 'completed')
    return critical('job', `the job ${id} is ${status}: ${last_error ?? 'no reason'}`);
  return z.object({ message: z.literal(nonce) }).safeParse(result).success
    ? ok('job', `there and back in ${ms} ms`)
    : critical('job', `the job ${id} has another result than what its handler returned`);
}

/** Once more where a load balancer, a limit or a new replica may be the reason. @throws Error */
async function untilAnswered(
  call: () => Promise<HttpAnswer>,
  clock: Clock,
  left: () => number,
): Promise<Job> {
  for (let pause = FIRST_PAUSE_MS; ; pause *= 2) {
    const answer = await call().catch((error: unknown) => error as Error);
    if (!(answer instanceof Error) && answer.status < 400) return job.parse(JSON.parse(answer.text));
    const isFinal = !(answer instanceof Error) && answer.status < 500 && answer.status !== 429;
    const wait = answer instanceof Error ? pause : Math.max(pause, retryAfterMs(answer));
    if (isFinal || left() < wait) throw new Error(reasonOf(answer));
    await clock.sleep(wait);
  }
}

export const retryAfterMs = ({ headers }: HttpAnswer): number =>
  Number(headers['retry-after'] ?? 0) * 1000 || 0;

function reasonOf(answer: HttpAnswer | Error): string {
  if (answer instanceof Error) return `no answer: ${answer.message}`;
  const hint =
    answer.status === 401 || answer.status === 403 ? '; the key needs jobs:queue and jobs:read' : '';
  return `answered ${answer.status}: ${startOf(answer)}${hint}`;
}
