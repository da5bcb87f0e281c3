import { mkdirSync } from 'node:fs';
import { pause } from '#src/adapters/inbound/worker/pause.ts';
import { temporaryDirectory } from '#dev/servers/state-directory.ts';
import { type TcpProxy, tcpProxy } from '#test/support/tcp-proxy.ts';
import { startFaults } from './faults.ts';
import { type Fleet, startFleet } from './fleet.ts';
import type { Halt, Span } from './facts.ts';
import { type Ledger, createLedger } from './ledger.ts';
import { type Redrives, operatorFaults } from './operator-faults.ts';
import { produce, startCancelling } from './producer.ts';
import { finalJobs, redrivenJobs, unfinishedJobs } from './queue.ts';
import { randomOf } from './random.ts';
import { findDump } from '#test/support/postgres-programs.ts';
import { readerFaults } from './reader-faults.ts';
import { type ChaosServer, ORGANIZATIONS, actingFor, startServer, withClient } from './server.ts';
import { serverFaults } from './server-faults.ts';
import { type Found, findViolations } from './violations.ts';
import { workerFaults } from './worker-faults.ts';

export interface Options {
  readonly jobs: number;
  readonly seed: string;
  readonly workers: number;
  readonly producers: number;
  /** Jobs that are queued in a second, at most. */
  readonly rate: number;
}

export interface Result {
  readonly server: string;
  /** Logs and journals of the workers. */
  readonly directory: string;
  readonly ledger: Ledger;
  readonly found: Found;
  /** What else must not be: jobs that nobody queued or redrove, workers that ended by themselves. */
  readonly besides: readonly string[];
  readonly struck: ReadonlyMap<string, number>;
  readonly done: ReadonlyMap<string, number>;
  readonly logged: ReadonlyMap<string, number>;
  /** From the moment PostgreSQL was up again until an outcome took effect. */
  readonly recoveriesMs: readonly number[];
  /** Of queueing under faults, and of what was left to do after them. */
  readonly chaosMs: number;
  readonly drainMs: number;
}

const MAX_BACKLOG = 20_000;
/** Of each worker: its pool, its listener, and what is left of a predecessor that was killed. */
const CONNECTIONS_OF_A_WORKER = 8;
const OTHER_CONNECTIONS = 20;
/** The queue counts as stuck when nothing has happened for so long, with all faults over. */
const STUCK_AFTER_MS = 45_000;

/** Whatever was started is ended by `stop`, at whatever point. */
export function prepareRun(options: Options) {
  const stops: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    for (const stop of stops.toReversed()) await stop();
  }
  return {
    run: async (): Promise<Result> => await run(options, (stop) => stops.push(stop)),
    stop: async (): Promise<void> => await (stopping ??= stopAll()),
  };
}

async function run(options: Options, onStop: (stop: () => Promise<void>) => void): Promise<Result> {
  const { seed, workers, producers } = options;
  const maxConnections = workers * CONNECTIONS_OF_A_WORKER + producers + OTHER_CONNECTIONS;
  const server = await startServer(temporaryDirectory('chaos-postgres'), maxConnections);
  onStop(server.stop);
  const directory = temporaryDirectory('chaos-workers');
  mkdirSync(directory, { mode: 0o700 });
  const wires: TcpProxy[] = [];
  for (let place = 0; place <= workers; place += 1) {
    const wire = await tcpProxy(server.urls.admin);
    wires.push(wire);
    onStop(wire.close);
  }
  const [clientWire] = wires;
  if (!clientWire) throw new Error('There is no wire for the clients.');
  const clientUrl = Object.assign(new URL(server.urls.api), { host: new URL(clientWire.url).host }).href;

  const ledger = createLedger();
  const fleet = startFleet({ directory, workerUrl: server.urls.worker, wires: wires.slice(1), ledger });
  const recoveriesMs: number[] = [];
  const crashes: Span[] = [];
  const halts: Halt[] = [];
  const redrives: Redrives = { told: 0, unanswered: 0 };
  const programs = await findDump(Number(/PostgreSQL (\d+)/.exec(server.description)?.[1]) * 10_000);

  const startedAt = performance.now();
  const faults = startFaults(
    [
      ...workerFaults(fleet, wires),
      ...serverFaults(server, crashes, (upMs) => {
        fleet.onAccepted(upMs, (atMs) => recoveriesMs.push(atMs - upMs));
      }),
      ...readerFaults(server, programs),
      ...operatorFaults(server, halts, redrives),
    ],
    seed,
  );
  onStop(async () => {
    await Promise.all([fleet.stop('SIGKILL'), faults.stop()]);
  });
  const done = await queueAll(options, clientUrl, ledger);
  await faults.untilEachStruck();
  await faults.stop();
  const chaosMs = performance.now() - startedAt;

  for (const wire of wires) wire.cut();
  await drained(server, fleet);
  const drainMs = performance.now() - startedAt - chaosMs;
  await fleet.stop('SIGTERM');
  for (const organization of ORGANIZATIONS.keys()) {
    await withClient(actingFor(organization, server.urls.api), async (client) => {
      for await (const { id, n, ...final } of finalJobs(client)) ledger.found(id, n, final);
    });
  }
  const redriven = await withClient(server.urls.admin, redrivenJobs);
  for (const { n, times } of redriven) ledger.redriven(n, times);
  return {
    server: server.description,
    directory,
    ledger,
    found: findViolations(ledger.entries, { crashes, halts }),
    besides: [
      ...fleet.died,
      ...ledger.strangers.map((what) => `${what}, but nobody queued it`),
      ...unaskedRedrives(
        redriven.reduce((sum, { times }) => sum + times, 0),
        redrives,
      ),
    ],
    struck: faults.counts,
    done,
    logged: fleet.logged(),
    recoveriesMs,
    chaosMs,
    drainMs,
  };
}

async function queueAll(
  { jobs, producers, rate, seed }: Options,
  url: string,
  ledger: Ledger,
): Promise<ReadonlyMap<string, number>> {
  const done = new Map<string, number>();
  const count = (what: string): void => void done.set(what, (done.get(what) ?? 0) + 1);
  const clients = ORGANIZATIONS.map((_, organization) => {
    const acting = actingFor(organization, url);
    return { organization, url: acting, cancelling: startCancelling(acting, ledger, count) };
  });
  const producing = Array.from({ length: producers }, async (_, index) => {
    const client = clients[index % clients.length];
    if (!client) throw new RangeError('There is no organisation.');
    const production = {
      url: client.url,
      organization: client.organization,
      ledger,
      jobs,
      maxBacklog: MAX_BACKLOG,
      perSecond: rate / producers,
      count,
      cancel: client.cancelling.cancel,
    };
    await produce(production, randomOf(seed, `producer ${index}`));
  });
  await Promise.all(producing);
  for (const { cancelling } of clients) await cancelling.stop();
  return done;
}

/** The queue must have redriven as many as clients were told of, and of those without an answer perhaps as many as were asked for. */
function unaskedRedrives(found: number, { told, unanswered }: Redrives): string[] {
  if (told <= found && found <= told + unanswered) return [];
  return [`${found} jobs were redriven, but clients were told of ${told} and know nothing of ${unanswered}`];
}

/** Fulfils when nothing is left to do, or nothing is done any more. */
async function drained({ urls }: ChaosServer, fleet: Fleet): Promise<void> {
  const startedMs = Date.now();
  while (Date.now() - Math.max(fleet.lastMs(), startedMs) < STUCK_AFTER_MS) {
    // PostgreSQL may still recover from the last fault.
    const left = await Promise.all(
      ORGANIZATIONS.map(
        async (_, organization) => await withClient(actingFor(organization, urls.api), unfinishedJobs),
      ),
    ).catch(() => undefined);
    if (left?.every((jobs) => jobs === 0)) return;
    await pause(500, new AbortController().signal);
  }
}
