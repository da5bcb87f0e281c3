import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServiceApi {
  /** @throws ServiceRefusal, and Error when there is no answer */
  get(path: string, query?: Readonly<Record<string, string | undefined>>): Promise<unknown>;
  /** Is done once, however often it has to be sent. @throws like `get` */
  post(path: string, body?: unknown): Promise<unknown>;
}

/** What the service answered instead of doing it. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';
}

const TIMEOUT_MS = 15_000;
const TRIES = 4;
const FIRST_WAIT_MS = 200;
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const LONGEST_WAIT_MS = 5000;

/** A client of the HTTP API of a running service. */
export function createServiceApi(apiUrl: string, key: string): ServiceApi {
  async function send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    init: RequestInit,
  ): Promise<unknown> {
    const all = { ...headers, authorization: `Bearer ${key}` };
    for (let tries = 1; ; tries += 1) {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await fetch(url, { ...init, headers: all, signal, redirect: 'error' }).catch(
        (error: unknown) => {
          if (tries === TRIES) throw new Error(`${url.origin} does not answer.`, { cause: error });
        },
      );
      if (answer && (!AGAIN.has(answer.status) || tries === TRIES)) return await read(answer);
      await answer?.body?.cancel();
      await sleep(waitMs(tries, answer?.headers.get('retry-after')));
    }
  }

  return {
    async get(path, query = {}) {
      const url = new URL(path, apiUrl);
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.set(name, value);
      }
      return await send(url, {}, {});
    },
    async post(path, body) {
      const json = body === undefined ? {} : { 'content-type': 'application/json' };
      return await send(
        new URL(path, apiUrl),
        { ...json, 'idempotency-key': randomUUID() },
        { method: 'POST', ...(body !== undefined && { body: JSON.stringify(body) }) },
      );
    },
  };
}

/** As the service asks for, in seconds, if that is bearable; else doubled each time, with jitter. */
function waitMs(tries: number, retryAfter: string | null | undefined): number {
  const asked = Number(retryAfter ?? '') * 1000;
  if (asked > 0 && asked <= LONGEST_WAIT_MS) return asked;
  return FIRST_WAIT_MS * 2 ** tries * (0.5 + Math.random() / 2);
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly trace_id?: string;
  readonly errors?: readonly { readonly pointer?: string; readonly detail?: string }[];
}

async function read(answer: Response): Promise<unknown> {
  const text = await answer.text();
  const value = jsonOf(text);
  if (answer.ok) return value;
  const {
    code = 'no problem document',
    detail = '',
    trace_id: trace,
    errors = [],
  } = (value ?? {}) as Problem;
  const faults = errors.map((error) => `\n  ${error.pointer ?? ''}: ${error.detail ?? ''}`).join('');
  const of = trace === undefined ? '' : ` (trace ${trace})`;
  throw new ServiceRefusal(`${answer.status} ${code}: ${detail}${of}${faults}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
