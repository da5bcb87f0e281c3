import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import type { Load } from '#src/adapters/inbound/http/plugins/load-shedding.ts';
import { ANY_LOAD, JOB, KEY, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;

/** An API whose queue does not answer so many requests until they are released. */
async function busyApi(load: Load, requests: number) {
  const held = Promise.withResolvers<void>();
  const api = await testApi({ options: { load }, onContext: () => held.promise });
  const answers = Array.from({ length: requests }, async () => await api.request({ url }));
  return { ...api, answers, release: held.resolve };
}

function burn(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

it('[AV-7] refuses more requests at a time than allowed, until one of them is answered', async () => {
  const { request, answers, release } = await busyApi({ ...ANY_LOAD, inFlight: 3 }, 3);
  const refused = await request({ url });
  expect(refused.json()).toMatchObject({ status: 503, code: 'overloaded' });
  expect(refused.headers['retry-after']).toBe('1');
  release();
  for (const answer of answers) expect((await answer).statusCode).toBe(200);
  expect((await request({ url })).statusCode).toBe(200);
});

it.for(['/health', '/readyz'])('[AV-7] [AV-3] never refuses the probe %s', async (probe) => {
  const { request, answers, release } = await busyApi({ ...ANY_LOAD, inFlight: 1 }, 2);
  expect((await request({ url: probe })).statusCode).toBe(200);
  release();
  await Promise.all(answers);
});

it('[AV-7] takes on less while the event loop has no time left', async () => {
  const { request, answers, release } = await busyApi(
    { ...ANY_LOAD, inFlightSaturated: 2, saturation: 0.9 },
    1,
  );
  // Longer than the interval in which utilisation is measured, twice: the first has begun before.
  for (const ms of [300, 300]) {
    burn(ms);
    await sleep(0);
  }
  const second = request({ url });
  expect((await request({ url })).json()).toMatchObject({ code: 'overloaded' });
  await expect.poll(async () => (await request({ url: '/nowhere' })).statusCode).toBe(404);
  release();
  for (const answer of [...answers, second]) expect((await answer).statusCode).toBe(200);
});

it('[AV-7] refuses what would make a turn of the event loop too long, but not all of it', async () => {
  const { app } = await testApi({
    options: { load: { ...ANY_LOAD, turnMs: 10 } },
    onContext: () => {
      burn(20);
    },
  });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  const dispatcher = new Agent();
  onTestFinished(async () => await dispatcher.close());
  const ask = async (): Promise<number> => {
    const { statusCode, body } = await dispatcher.request({
      origin,
      path: url,
      method: 'GET',
      headers: { authorization: `Bearer ${KEY}` },
    });
    await body.dump();
    return statusCode;
  };
  const statuses: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    statuses.push(...(await Promise.all(Array.from({ length: 10 }, ask))));
  }
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  expect(await ask()).toBe(200);
});
