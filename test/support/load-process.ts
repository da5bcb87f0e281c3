import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, LoadOrder, Loaded, Probed } from './load.ts';

/** With at most one request at a time. An answer is all its bytes. */
interface Connection {
  send(onAnswer: (answer: string) => void): void;
}

const HEAD_END = '\r\n\r\n';
const PROBE_EVERY_MS = 50;

async function open(url: string, request: string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const connected = Promise.withResolvers<void>();
  let text = '';
  let take: ((answer: string) => void) | undefined;
  socket.once('connect', connected.resolve);
  socket.on('error', connected.reject);
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    const head = text.indexOf(HEAD_END);
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < head + HEAD_END.length + length) return;
    const answer = text;
    text = '';
    take?.(answer);
  });
  await connected.promise;
  return {
    send(onAnswer) {
      take = onAnswer;
      socket.write(request, 'latin1');
    },
  };
}

const statusOf = (answer: string): number => Number(answer.slice(9, 12));

function noteIn(answers: Answer[], dueMs: number, answer: string): void {
  answers.push({
    status: statusOf(answer),
    ms: performance.now() - dueMs,
    retryAfter: answer.includes('\r\nretry-after: '),
  });
}

/** Each connection asks again as soon as it is answered. */
async function closedLoop(connections: readonly Connection[], { ms }: LoadOrder): Promise<Answer[]> {
  const answers: Answer[] = [];
  const end = performance.now() + ms;
  const clients = connections.map(async ({ send }) => {
    while (performance.now() < end) {
      const due = performance.now();
      noteIn(answers, due, await new Promise(send));
    }
  });
  await Promise.all(clients);
  return answers;
}

/** Requests are due at fixed times, whether or not the server keeps up; their time counts from then on. */
async function openLoop(
  connections: readonly Connection[],
  { ms, perSecond = 0 }: LoadOrder,
): Promise<Answer[]> {
  const free = [...connections];
  const waiting: number[] = [];
  const answers: Answer[] = [];
  const total = Math.floor((perSecond * ms) / 1000);
  function send(connection: Connection, due: number): void {
    connection.send((answer) => {
      noteIn(answers, due, answer);
      const next = waiting.shift();
      if (next === undefined) free.push(connection);
      else send(connection, next);
    });
  }
  const begin = performance.now();
  for (let sent = 0; answers.length < total;) {
    for (const now = performance.now(); sent < total; sent += 1) {
      const due = begin + (sent * 1000) / perSecond;
      if (due > now) break;
      const connection = free.pop();
      if (connection) send(connection, due);
      else waiting.push(due);
    }
    await sleep(1);
  }
  return answers;
}

/** On a connection of its own, as an orchestrator does it. */
async function probeOnce(url: string): Promise<Probed> {
  const { host, pathname } = new URL(url);
  const startedAt = performance.now();
  const { send } = await open(url, `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const answer = await new Promise<string>(send);
  return { status: statusOf(answer), ms: performance.now() - startedAt };
}

async function probe(urls: readonly string[], over: AbortSignal): Promise<Probed[]> {
  const probed: Promise<Probed>[] = [];
  while (!over.aborted) {
    probed.push(...urls.map(probeOnce));
    await sleep(PROBE_EVERY_MS);
  }
  return await Promise.all(probed);
}

async function run(order: LoadOrder): Promise<Loaded> {
  const { url, request, connections: count } = order;
  const connections: Connection[] = [];
  // One after the other: how many a server accepts at a time is another question.
  while (connections.length < count) connections.push(await open(url, request));
  const over = new AbortController();
  const probing = probe(order.probes ?? [], over.signal);
  const answers = await (order.perSecond === undefined ? closedLoop : openLoop)(connections, order);
  over.abort();
  return { answers, probed: await probing };
}

process.on('message', (order: LoadOrder) => {
  void run(order).then((loaded) => process.send?.(loaded));
});
