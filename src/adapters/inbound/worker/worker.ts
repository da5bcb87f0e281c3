import type { Tracing } from '#src/application/tracing.ts';
import type { JobHandling } from '#src/application/worker/execute-job.ts';
import type { QueueEvents, Report, WorkerQueue } from '#src/application/worker/ports.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { createBuffer } from './buffer.ts';
import { createCompleter } from './completer.ts';
import { databaseTrouble } from './database-trouble.ts';
import { createFetcher } from './fetcher.ts';
import { createHeartbeat } from './heartbeat.ts';
import { observeWorker, workerMetrics } from './metrics.ts';
import { CLAIM_LIMIT, GIVE_BACK_AFTER_MS, createPace, prefetchSize } from './prefetch.ts';
import { unlessAborted } from './pause.ts';
import { createRunner, jobLogger } from './runner.ts';

export interface WorkerOptions {
  /** Jobs that run at the same time. */
  readonly concurrency: number;
  readonly pollIntervalMs: number;
  readonly heartbeatIntervalMs: number;
  readonly abortAfterMs: number;
  readonly drainTimeoutMs: number;
  /** What a drain may take beyond that: for the last outcomes and the goodbye. */
  readonly goodbyeTimeoutMs: number;
}

export interface WorkerDependencies extends JobHandling {
  readonly queue: WorkerQueue;
  readonly events: QueueEvents;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly metrics: Registry;
}

/**
 * Outcomes that wait to be stored before the worker takes no more jobs. The memory that the jobs of a worker take is bounded
 * by the largest payload (256 KiB over HTTP), the largest result (64 Ki characters), and the default concurrency of 10:
 * 10 running + 100 claimed (CLAIM_LIMIT) at 256 KiB make 28 MiB, and 500 + 110 results at 64 KiB 38 MiB.
 */
const MAX_UNREPORTED = 500;
/**
 * Takes jobs out of the queue and runs them: a fetcher claims, a runner runs, a completer reports, a heartbeat keeps the
 * leases. Claimed jobs that wait for a slot are in the buffer, and not for long.
 */
export function createWorker(options: WorkerOptions, dependencies: WorkerDependencies) {
  const { queue, events, registry, ports, logger, tracing } = dependencies;
  const metrics = workerMetrics(dependencies.metrics);
  const trouble = databaseTrouble(logger, metrics);
  const types = [...registry.keys()];
  const buffer = createBuffer({ maxWaitMs: GIVE_BACK_AFTER_MS, onOverdue: giveBack });
  const pace = createPace();
  let draining: Promise<void> | undefined;

  const runner = createRunner({
    handling: { registry, ports },
    logger,
    tracing,
    metrics,
    onEnd(durationMs, job, outcome) {
      pace.note(durationMs);
      if (outcome) completer.add([reportOf(job, outcome)]);
      startJobs();
      fetcher.reconsider();
    },
  });

  const completer = createCompleter({
    complete: queue.complete,
    trouble,
    onSettled(report, stored, retried) {
      const { job, outcome } = report;
      metrics.processed.inc({ type: job.type, outcome: stored ? outcome.status : 'lease_lost' });
      if (!stored) jobLogger(logger, job).warn({ retried }, 'job outcome refused: lease lost');
      fetcher.reconsider();
    },
    onDropped({ job }, error) {
      metrics.processed.inc({ type: job.type, outcome: 'dropped' });
      jobLogger(logger, job).error({ error }, 'job outcome dropped');
    },
  });

  const fetcher = createFetcher({
    pollIntervalMs: options.pollIntervalMs,
    demand,
    claim: async (limit) => await queue.claim(types, limit),
    accept(jobs) {
      buffer.add(jobs);
      if (draining || !heartbeat.alive()) giveBack(buffer.clear());
      else startJobs();
    },
    trouble,
  });

  const heartbeat = createHeartbeat({
    intervalMs: options.heartbeatIntervalMs,
    abortAfterMs: options.abortAfterMs,
    beat: queue.beat,
    leaseTokens: () => [...buffer.leaseTokens(), ...runner.leaseTokens(), ...completer.leaseTokens()],
    onLost(lost) {
      forget('lease_lost', (job) => lost.has(job.leaseToken));
    },
    onSilence() {
      logger.error({ running: runner.size() }, 'no heartbeat arrived for too long, all jobs are aborted');
      runner.abort('no_heartbeat');
      giveBack(buffer.clear());
    },
    onAlive: () => {
      fetcher.lookAgain();
    },
    trouble,
  });

  observeWorker(dependencies.metrics, {
    running: runner.size,
    buffered: buffer.size,
    unreported: completer.size,
  });

  function demand(): number {
    if (!heartbeat.alive() || completer.size() >= MAX_UNREPORTED) return 0;
    const ahead = prefetchSize(options.concurrency, Math.max(pace.slowMs(), runner.oldestAgeMs()));
    return Math.min(options.concurrency + ahead - runner.size() - buffer.size(), CLAIM_LIMIT);
  }

  function startJobs(): void {
    while (runner.size() < options.concurrency) {
      const next = buffer.take();
      if (!next) break;
      metrics.bufferWait.observe((performance.now() - next.sinceMs) / 1000);
      runner.start(next.job);
    }
    buffer.watch();
  }

  /** With their attempts. */
  function giveBack(jobs: readonly ClaimedJob[]): void {
    if (jobs.length > 0) completer.add(jobs.map((job) => reportOf(job, { status: 'released' })));
  }

  /** These jobs are no longer ours: nothing is reported of them. */
  function forget(reason: 'cancelled' | 'lease_lost', fits: (job: ClaimedJob) => boolean): void {
    for (const { type } of buffer.remove(fits)) metrics.processed.inc({ type, outcome: reason });
    runner.abort(reason, fits);
  }

  async function drain(): Promise<void> {
    const fetched = fetcher.stop();
    giveBack(buffer.clear());
    const late = setTimeout(() => {
      runner.abort('drain');
    }, options.drainTimeoutMs);
    await runner.idle();
    clearTimeout(late);
    const over = new AbortController();
    const goodbye = setTimeout(() => {
      over.abort();
    }, options.goodbyeTimeoutMs);
    await unlessAborted(over.signal, fetched);
    const unreported = await completer.close(over.signal);
    if (unreported > 0) {
      logger.error(
        { unreported },
        'outcomes not reported: their jobs return when this worker counts as dead',
      );
    }
    await heartbeat.stop(over.signal);
    clearTimeout(goodbye);
    events.stop();
  }

  return {
    /**
     * Beats, then claims. Whether it can listen makes no difference: it also polls.
     *
     * @throws what the database refused the first beat for (AV-8)
     */
    async start(): Promise<void> {
      await heartbeat.start();
      events.start({
        onReady: fetcher.lookAgain,
        onCancelled(leaseToken) {
          forget('cancelled', (job) => job.leaseToken === leaseToken);
        },
      });
      fetcher.start();
    },

    /**
     * Claims nothing more, gives buffered jobs back at once, lets running ones end until `drainTimeoutMs` and then aborts
     * them and gives them back, reports all outcomes, and says goodbye (AV-6); all within `drainTimeoutMs` and `goodbyeTimeoutMs`.
     */
    async drain(): Promise<void> {
      await (draining ??= drain());
    },
  };
}

const reportOf = ({ payload: _letGo, ...job }: ClaimedJob, outcome: Outcome): Report => ({ job, outcome });
