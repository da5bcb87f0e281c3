import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Exchange {
  readonly answers: readonly RawAnswer[];
  /** All that came back, as it came. */
  readonly text: string;
  /** Until the server ended the connection, or `patience` was over. */
  readonly ms: number;
  readonly ended: boolean;
}

/** How long a connection that the server keeps open is listened to. */
const PATIENCE_MS = 400;
const BETWEEN_PARTS_MS = 20;

/**
 * Sends bytes as they are, part by part, and takes what comes back until the server ends the connection or is silent for
 * `patience` ms after the last part.
 */
export async function exchange(
  url: string,
  parts: string | readonly string[],
  patience = PATIENCE_MS,
): Promise<Exchange> {
  const startedAt = performance.now();
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  let ended = false;
  const silent = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(silent.resolve, patience);
  };
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    if (timer) wait();
  });
  // A server that has heard enough may reset the connection.
  socket.on('error', () => socket.destroy());
  const closed = once(socket, () => {
    ended = true;
  });

  for (const part of [parts].flat()) {
    if (socket.destroyed) break;
    socket.write(part, 'latin1');
    await sleep(BETWEEN_PARTS_MS);
  }
  wait();
  await Promise.race([closed, silent.promise]);
  clearTimeout(timer);
  const ms = performance.now() - startedAt;
  socket.destroy();
  return { answers: parseAnswers(text), text, ms, ended };
}

async function once(socket: Socket, onClose: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('close', () => {
    onClose();
    resolve();
  });
  await promise;
}

/** Answers one after the other, each with a length or none. @throws Error when there is anything between or behind them */
function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest !== '';) {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (!head) throw new Error(`No answer begins here: ${JSON.stringify(rest.slice(0, 200))}`);
    const [all, status, lines = ''] = head;
    const headers = Object.fromEntries(
      lines
        .trimEnd()
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    ) as Record<string, string>;
    const length = Number(headers['content-length'] ?? 0);
    answers.push({ status: Number(status), headers, body: rest.slice(all.length, all.length + length) });
    rest = rest.slice(all.length + length);
  }
  return answers;
}
