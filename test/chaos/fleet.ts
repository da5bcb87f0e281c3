import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlessAborted } from '#src/adapters/inbound/worker/pause.ts';
import type { TcpProxy } from '#test/support/tcp-proxy.ts';
import { readJournal } from './journal.ts';
import type { Ledger } from './ledger.ts';

const READ_EVERY_MS = 100;
/** What a drain may take before the worker is killed, which is what an orchestrator would do. */
const GRACE_MS = 15_000;

interface Worker {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly journal: ReturnType<typeof readJournal>;
}

export interface FleetOptions {
  /** A folder of this run. */
  readonly directory: string;
  readonly workerUrl: string;
  /** One a worker. */
  readonly wires: readonly TcpProxy[];
  readonly ledger: Ledger;
}

/** Workers as processes of their own, each in its place; whoever ends is replaced. Their journals go into the ledger. */
export function startFleet({ directory, workerUrl, wires, ledger }: FleetOptions) {
  const workers: Worker[] = [];
  const journals = new Set<Worker['journal']>();
  const logs: string[] = [];
  const died: string[] = [];
  const expected = new WeakSet<ChildProcess>();
  let waiting: { sinceMs: number; listener: (atMs: number) => void }[] = [];
  let lastMs = 0;
  let closed = false;

  function start(place: number): Worker {
    const wire = wires[place];
    if (!wire || closed) throw new RangeError(`There is no place ${place}.`);
    const url = Object.assign(new URL(workerUrl), { host: new URL(wire.url).host }).href;
    const [file, log] = ['journal', 'log'].map((kind) => join(directory, `${logs.length}.${kind}`)) as [
      string,
      string,
    ];
    logs.push(log);
    writeFileSync(log, '', { mode: 0o600 });
    const child = fork(join(import.meta.dirname, 'worker-process.ts'), [url, file, log], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(directory, 'cache') },
    });
    const worker = { child, ended: once(child, 'exit'), journal: readJournal(file) };
    journals.add(worker.journal);
    workers[place] = worker;
    child.once('exit', (code, signal) => {
      read(worker.journal);
      worker.journal.close();
      journals.delete(worker.journal);
      if (!expected.has(child)) died.push(`a worker ended by itself: ${signal ?? code}`);
    });
    return worker;
  }

  function read(journal: Worker['journal']): void {
    for (const { kind, n, attempt, run, atMs, claimed } of journal.read()) {
      if (kind === 'began') ledger.ran(n, { run, attempt, startedMs: atMs, claimed });
      else ledger.accepted(n, run);
      lastMs = Math.max(lastMs, atMs);
      if (kind === 'accepted' && waiting.length > 0) accepted(atMs);
    }
  }

  function accepted(atMs: number): void {
    for (const { sinceMs, listener } of waiting) if (atMs >= sinceMs) listener(atMs);
    waiting = waiting.filter(({ sinceMs }) => atMs < sinceMs);
  }

  function readAll(): void {
    for (const journal of journals) read(journal);
  }

  const at = (place: number): Worker => workers[place] ?? start(place);

  async function end(place: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child, ended } = at(place);
    expected.add(child);
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await ended;
    clearTimeout(late);
  }

  const places = Array.from(wires, (_, place) => place);
  for (const place of places) start(place);
  const reading = setInterval(readAll, READ_EVERY_MS);

  return {
    places: places as readonly number[],
    /** When anything was last noted by a worker. */
    lastMs: (): number => lastMs,
    died: died as readonly string[],
    async replace(place: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
      await end(place, signal);
      start(place);
    },
    /** A process of its own lets it go on, so that no stopped worker outlives this run. */
    async suspend(place: number, seconds: number, over: AbortSignal): Promise<void> {
      const { child } = at(place);
      const script = 'kill -STOP "$1"; sleep "$2"; kill -CONT "$1"';
      const suspending = spawn('sh', ['-c', script, 'sh', String(child.pid), String(seconds)], {
        stdio: 'ignore',
        detached: true,
      });
      await unlessAborted(over, once(suspending, 'exit'));
      if (suspending.exitCode !== null) return;
      // With its sleep.
      process.kill(-(suspending.pid ?? 0));
      child.kill('SIGCONT');
    },
    /** Told when the first outcome since then took effect. */
    onAccepted(sinceMs: number, listener: (atMs: number) => void): void {
      waiting.push({ sinceMs, listener });
    },
    async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
      closed = true;
      clearInterval(reading);
      await Promise.all(places.map(async (place) => await end(place, signal)));
    },
    /** How often the workers logged what, warnings and worse. */
    logged(): Map<string, number> {
      const counts = new Map<string, number>();
      for (const line of logs.flatMap((log) => readFileSync(log, 'utf8').split('\n').filter(Boolean))) {
        const { msg } = JSON.parse(line) as { msg: string };
        counts.set(msg, (counts.get(msg) ?? 0) + 1);
      }
      return counts;
    },
  };
}

export type Fleet = ReturnType<typeof startFleet>;
