import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { type Load, createAdmission, newTicket } from '#src/adapters/inbound/http/admission.ts';
import { ANY_LOAD, JOB, KEY, testApi } from './setup.ts';

const url = `/v1/jobs/${JOB.id}`;

/** An API whose queue does not answer so many requests until they are released. */
async function busyApi(load: Load, requests: number) {
  const held = Promise.withResolvers<void>();
  let begun = 0;
  const api = await testApi({
    options: { load },
    onContext: () => {
      begun += 1;
      return held.promise;
    },
  });
  const answers = Array.from({ length: requests }, async () => await api.request({ url }));
  await expect.poll(() => begun).toBe(Math.min(requests, load.inFlight));
  return { ...api, answers, begun: () => begun, release: held.resolve };
}

function burn(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

const statusesOf = async (answers: readonly Promise<{ statusCode: number }>[]): Promise<number[]> =>
  (await Promise.all(answers)).map(({ statusCode }) => statusCode);

it('[AV-7] lets those that are too many wait, and refuses none that need not wait for long', async () => {
  const { answers, begun, release } = await busyApi({ ...ANY_LOAD, inFlight: 3 }, 10);
  await sleep(200);
  expect(begun()).toBe(3);
  release();
  expect(await statusesOf(answers)).toEqual(Array.from({ length: 10 }, () => 200));
});

it('[AV-7] refuses whoever waited too long, says when to come back, and takes on again what comes then', async () => {
  const { request, answers, release } = await busyApi({ ...ANY_LOAD, inFlight: 3, waitMs: 100 }, 3);
  const startedAt = performance.now();
  const refused = await request({ url });
  expect(refused.json()).toMatchObject({ status: 503, code: 'overloaded' });
  expect(refused.headers['retry-after']).toBe('1');
  expect(performance.now() - startedAt).toBeGreaterThan(100);
  release();
  expect(await statusesOf(answers)).toEqual([200, 200, 200]);
  expect((await request({ url })).statusCode).toBe(200);
});

it('[AV-7] refuses at once what finds too many waiting', async () => {
  const { request, answers, release } = await busyApi({ ...ANY_LOAD, inFlight: 1, waiting: 5 }, 6);
  expect((await request({ url })).json()).toMatchObject({ code: 'overloaded' });
  release();
  expect(new Set(await statusesOf(answers))).toEqual(new Set([200]));
});

it.for(['/health', '/readyz'])('[AV-7] [AV-3] never lets the probe %s wait', async (probe) => {
  const { request, answers, release } = await busyApi({ ...ANY_LOAD, inFlight: 1 }, 2);
  expect((await request({ url: probe })).statusCode).toBe(200);
  release();
  await Promise.all(answers);
});

it('[AV-7] works on less at a time while the event loop has no time left', async () => {
  const { request, answers, begun, release } = await busyApi({ ...ANY_LOAD, inFlightSaturated: 1 }, 1);
  const later: ReturnType<typeof request>[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    burn(20);
    if (turn === 10) later.push(request({ url }), request({ url }));
    await new Promise(setImmediate);
  }
  expect(begun()).toBe(1);
  // With time left again they need not wait for the first one.
  await expect.poll(begun).toBe(3);
  release();
  expect(await statusesOf([...answers, ...later])).toEqual([200, 200, 200]);
});

it('[AV-7] a turn of the event loop begins no more than it has time for, and refuses nothing for it', async () => {
  const { app } = await testApi({
    onContext: () => {
      burn(10);
    },
  });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  const dispatcher = new Agent();
  onTestFinished(async () => await dispatcher.close());
  const ask = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${KEY}` };
    const { statusCode, body } = await dispatcher.request({ origin, path, method: 'GET', headers });
    await body.dump();
    return statusCode;
  };
  await Promise.all(Array.from({ length: 30 }, async () => await ask('/health')));
  const order: string[] = [];
  const note = async (path: string): Promise<void> => {
    expect(await ask(path)).toBe(200);
    order.push(path);
  };
  // All of them arrive in one turn, the probe last.
  await Promise.all([...Array.from({ length: 30 }, async () => await note(url)), note('/health')]);
  expect(order.indexOf('/health')).toBeLessThan(10);
});

/** Whatever becomes of them, requests leave room for as many others as before. */
it.for<[string, string]>([
  ['an answer', `GET ${url} HTTP/1.1`],
  ['an answer to HEAD', `HEAD ${url} HTTP/1.1`],
  ['an unknown route', 'GET /nowhere HTTP/1.1'],
  ['an unknown method', `DELETE ${url} HTTP/1.1`],
  ['a bad parameter', 'GET /v1/jobs/x HTTP/1.1'],
  ['a body that is no JSON', 'POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1'],
  [
    'a body that is not complete',
    'POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99',
  ],
  ['an invalid key', `GET ${url} HTTP/1.1\r\nAuthorization: Bearer x`],
])('[AV-7] after %s, or a client that goes away before, nobody has to wait', async ([, head]) => {
  const { app, request } = await testApi({
    options: { load: { ...ANY_LOAD, inFlight: 1, inFlightSaturated: 1, waitMs: 2000 } },
  });
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const message = `${head}\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n\r\n{`;
  for (const patienceMs of [0, 5, 50]) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.write(message);
    await sleep(patienceMs);
    socket.destroy();
    await once(socket, 'close');
  }
  const startedAt = performance.now();
  expect((await request({ url })).statusCode).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

it('[AV-7] does nothing for a client that went away while it waited', async () => {
  const { app, answers, begun, release } = await busyApi({ ...ANY_LOAD, inFlight: 1 }, 1);
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`GET ${url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n\r\n`);
  await sleep(100);
  socket.destroy();
  await sleep(100);
  release();
  await Promise.all(answers);
  await sleep(100);
  expect(begun()).toBe(1);
});

it('[AV-7] counts what an aborted request still does', async () => {
  const { app, request, answers, begun, release } = await busyApi({ ...ANY_LOAD, inFlight: 1 }, 0);
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`GET ${url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n\r\n`);
  await expect.poll(begun).toBe(1);
  socket.destroy();
  await sleep(100);
  answers.push(request({ url }));
  await sleep(100);
  expect(begun()).toBe(1);
  release();
  expect(await statusesOf(answers)).toEqual([200]);
});

it('[AV-7] nobody waits for bodies that are still on their way', async () => {
  const { app, request } = await testApi({
    options: { load: { ...ANY_LOAD, inFlight: 1, inFlightSaturated: 1, waitMs: 2000 } },
  });
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const head = `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json`;
  for (const length of ['Content-Length: 99', 'Transfer-Encoding: chunked']) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    onTestFinished(() => void socket.destroy());
    socket.write(`${head}\r\n${length}\r\n\r\n`);
  }
  await sleep(100);
  const startedAt = performance.now();
  expect((await request({ url })).statusCode).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

it('[AV-7] keeps the order of arrival however long somebody waits', async () => {
  const admission = createAdmission(
    { inFlight: 1, inFlightSaturated: 1, waiting: 3000, waitMs: 60_000 },
    () => new Error('refused'),
  );
  onTestFinished(admission.stop);
  const first = newTicket();
  admission.enter(first, () => {});
  const order: number[] = [];
  const tickets = Array.from({ length: 3000 }, newTicket);
  for (const [index, ticket] of tickets.entries()) {
    admission.enter(ticket, (refusal) => {
      if (!refusal) order.push(index);
      admission.leave(ticket);
    });
    if (index % 7 === 3) admission.giveUp(ticket);
  }
  admission.leave(first);
  const kept = tickets.map((_, index) => index).filter((index) => index % 7 !== 3);
  await expect.poll(() => order.length, { timeout: 10_000 }).toBe(kept.length);
  expect(order).toEqual(kept);
  expect(admission.counts()).toEqual({ working: 0, waiting: 0 });
});
