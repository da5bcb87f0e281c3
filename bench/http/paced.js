// An open loop: requests are due at fixed times, whether or not the server keeps up, and their time counts from when they
// were due, so that a stall is seen by all who would have met it. autocannon sends its rate in one burst a second.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

const CONNECTIONS = 50;
const HEAD_END = '\r\n\r\n';

/** @returns the 99th percentile, in milliseconds */
export async function paced({ url, request, seconds, perSecond }) {
  const message = messageOf(request, url);
  const waiting = [];
  const times = [];
  const refusals = [];

  function send(socket, due) {
    socket.due = due;
    socket.write(message);
  }
  function answered(socket, head) {
    times.push(performance.now() - socket.due);
    if (!head.startsWith('HTTP/1.1 2')) refusals.push(head);
    if (waiting.length > 0) send(socket, waiting.shift());
    else free.push(socket);
  }
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(url, answered)));
  const free = [...sockets];

  const total = Math.floor(perSecond * seconds);
  const begin = performance.now();
  const dueAt = (index) => begin + (index * 1000) / perSecond;
  let sent = 0;
  while (times.length < total) {
    for (const now = performance.now(); sent < total && dueAt(sent) <= now; sent += 1) {
      if (free.length > 0) send(free.pop(), dueAt(sent));
      else waiting.push(dueAt(sent));
    }
    await nextTurn();
  }
  for (const socket of sockets) socket.destroy();
  if (refusals.length > 0) throw new Error(`${refusals.length} refusals, such as ${refusals[0]}`);
  return { requests: total, p99: times.toSorted((a, b) => a - b)[Math.floor(total * 0.99)] };
}

/** A connection with at most one request at a time. */
async function open(url, answered) {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port, noDelay: true });
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const end = text.indexOf(HEAD_END);
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1]);
    if (text.length < end + HEAD_END.length + length) return;
    const head = text.slice(0, end);
    text = '';
    answered(socket, head);
  });
  return socket;
}

function messageOf({ method, path, headers, body = '' }, url) {
  const lines = Object.entries({
    host: new URL(url).host,
    ...headers,
    'content-length': Buffer.byteLength(body),
  });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
