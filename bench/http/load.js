// The load, in a process of its own: a message says what to ask and how, the answer is what came of it.
import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';
import { paced } from './paced.js';

const CONNECTIONS = 50;

/** As fast as the server answers. */
async function saturated({ url, request, seconds, connections = CONNECTIONS }) {
  const { method, path, headers, body, keyed } = request;
  const result = await autocannon({
    url: url + path,
    method,
    headers,
    body,
    ...(keyed && { requests: [{ setupRequest: withNewKey }] }),
    connections,
    duration: seconds,
  });
  const good = result['2xx'];
  if (result.errors + result.non2xx > 0 || good === 0) {
    throw new Error(
      `${method} ${path}: ${good} good answers, ${result.non2xx} others, ${result.errors} errors.`,
    );
  }
  return { requests: good, perSecond: good / result.duration };
}

const withNewKey = (request) => ({
  ...request,
  headers: { ...request.headers, 'idempotency-key': randomUUID() },
});

const KINDS = { saturated, paced };

async function answer({ kind, ...slice }) {
  try {
    process.send({ result: await KINDS[kind](slice) });
  } catch (error) {
    process.send({ error: error.message });
  }
}

process.on('message', (slice) => void answer(slice));
process.once('disconnect', () => process.exit());
