// A process that queues or works, told what to do by the bench: see child.ts.
import { type EngineName, type Queue, TYPE, type Working, loadEngine, nowMs } from './engine.ts';

export interface Commands {
  /** `count` jobs, `batch` in a call, on all connections side by side. */
  fill(request: { count: number; batch: number; types: readonly string[] }): Promise<void>;
  /** One job a call for so long. @returns how many */
  single(request: { seconds: number; connections: number }): Promise<{ count: number; ms: number }>;
  /** @returns when each job was committed */
  paced(request: { count: number; perSecond: number }): Promise<readonly Moment[]>;
  /** Keeps `depth` jobs ahead of those handled, until stopped. */
  feed(request: { depth: number; batch: number; connections: number }): Promise<void>;
  work(request: { types: readonly string[]; record: boolean }): Promise<void>;
  /** Of either kind of work. */
  stop(): Promise<{ starts: readonly Moment[]; claims: Working['claims'] }>;
}

/** A job's number and a time by the machine's monotonic clock, in ms. */
export type Moment = readonly [n: number, ms: number];
export interface Progress {
  readonly handled: number;
  readonly firstMs: number;
  readonly ms: number;
}

const PROGRESS_MS = 5;
const [, , name, databaseUrl = '', connections] = process.argv;
const engine = await loadEngine(name as EngineName);
const queue: Queue = await engine.connect(databaseUrl, Number(connections));

let handledElsewhere = 0;
const feed = { on: false };
let working: Working | undefined;
let reporter: NodeJS.Timeout | undefined;
let starts: Moment[] = [];
let [handled, firstMs, next] = [0, 0, 0];

const sideBySide = async (count: number, work: () => Promise<void>): Promise<void> => {
  await Promise.all(Array.from({ length: count }, work));
};
const sleep = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

function tell(): void {
  process.send?.({ handled, firstMs, ms: nowMs() } satisfies Progress);
}

const commands: Commands = {
  async fill({ count, batch, types }) {
    let sent = 0;
    await sideBySide(Number(connections), async () => {
      while (sent < count) {
        const type = types[(sent / batch) % types.length] ?? TYPE;
        const from = next;
        sent += batch;
        next += batch;
        await queue.enqueueMany(from, batch, type);
      }
    });
  },
  async single({ seconds, connections }) {
    const [startMs, startN] = [nowMs(), next];
    await sideBySide(connections, async () => {
      while (nowMs() < startMs + seconds * 1000) await queue.enqueue(next++);
    });
    return { count: next - startN, ms: nowMs() - startMs };
  },
  async paced({ count, perSecond }) {
    const startMs = nowMs();
    const committed: Moment[] = [];
    const calls: Promise<void>[] = [];
    for (let index = 0; index < count; index += 1) {
      await sleep(Math.max(startMs + (index * 1000) / perSecond - nowMs(), 0));
      const n = next++;
      calls.push(queue.enqueue(n).then(() => void committed.push([n, nowMs()])));
    }
    await Promise.all(calls);
    return committed;
  },
  async feed({ depth, batch, connections }) {
    feed.on = true;
    await sideBySide(connections, async () => {
      while (feed.on) {
        if (next >= handledElsewhere + depth) await sleep(1);
        else {
          next += batch;
          await queue.enqueueMany(next - batch, batch, TYPE);
        }
      }
    });
  },
  async work({ types, record }) {
    [handled, firstMs, starts] = [0, 0, []];
    working = await queue.work(types, ({ n }) => {
      if (handled === 0) firstMs = nowMs();
      handled += 1;
      if (record) starts.push([n, nowMs()]);
    });
    reporter = setInterval(tell, PROGRESS_MS);
  },
  async stop() {
    feed.on = false;
    clearInterval(reporter);
    await working?.stop();
    tell();
    return { starts, claims: working?.claims ?? null };
  },
};

type Message = { handledElsewhere: number } | { id: number; command: keyof Commands; request: never };

process.on('message', (message: Message) => {
  if ('handledElsewhere' in message) ({ handledElsewhere } = message);
  else void answer(message);
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });

async function answer({ id, command, request }: Extract<Message, { id: number }>): Promise<void> {
  try {
    process.send?.({ id, result: await commands[command](request) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.stack : String(error) });
  }
}
