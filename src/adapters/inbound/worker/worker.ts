import type { Tracing } from '#src/application/tracing.ts';
import type { JobHandling } from '#src/application/worker/execute-job.ts';
import type {
  QueueEvents,
  QueuePause,
  Report,
  WorkerCommand,
  WorkerQueue,
} from '#src/application/worker/ports.ts';
import type { ClaimedJob } from '#src/domain/jobs/job.ts';
import type { Outcome } from '#src/domain/jobs/outcome.ts';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { createBuffer } from './buffer.ts';
import { createClaimBudget } from './claim-budget.ts';
import { createClaimNews } from './claim-news.ts';
import { createCommands } from './commands.ts';
import { createCompleter } from './completer.ts';
import { databaseTrouble } from './database-trouble.ts';
import { createFetcher } from './fetcher.ts';
import { createHeartbeat } from './heartbeat.ts';
import { createIdleness } from './idleness.ts';
import { logFields } from './log-fields.ts';
import { observeWorker, workerMetrics } from './metrics.ts';
import { CLAIM_LIMIT, GIVE_BACK_AFTER_MS, createPace, prefetchSize } from './prefetch.ts';
import { unlessAborted } from './pause.ts';
import { createRunner } from './runner.ts';
import { createTurn } from './turn.ts';

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
  /** An operator asked for the end of this process; the worker drains already. */
  readonly onStop?: () => void;
}

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
  const budget = createClaimBudget();
  const turn = createTurn(startJobs);
  const commands = createCommands(obey);
  /** Leases that a beat may find lost because somebody cancelled them. */
  const saidCancelled = new LRUCache<string, true>({ max: CLAIM_LIMIT });
  const news = createClaimNews();
  let draining: Promise<void> | undefined;

  const runner = createRunner({
    handling: { registry, ports },
    logger,
    tracing,
    metrics,
    onEnd(durationMs, job, outcome) {
      pace.note(durationMs);
      if (outcome) completer.add(reportOf(job, outcome));
      startJobs();
      fetcher.reconsider();
    },
  });

  const completer = createCompleter({
    complete: queue.complete,
    trouble,
    onSettled(reports, refused, retried) {
      for (const { job, outcome } of reports) {
        const accepted = !refused.has(job.leaseToken);
        metrics.processed.inc({ type: job.type, outcome: accepted ? outcome.status : 'lease_lost' });
        if (!accepted) logger.warn({ ...logFields(job), retried }, 'job outcome refused: lease lost');
      }
      fetcher.reconsider();
    },
  });

  const fetcher = createFetcher({
    pollIntervalMs: options.pollIntervalMs,
    demand,
    async claim(limit) {
      news.begin();
      const jobs = await queue.claim(types, limit);
      if (wantsJobs()) idleness.claimed(jobs.length);
      return jobs;
    },
    accept(jobs) {
      const { pauses, cancelled } = news.end();
      if (jobs.length === 0) return;
      budget.note(jobs);
      buffer.add(jobs);
      cancelled.forEach(hearOfCancelled);
      if (!wantsJobs()) giveBack(buffer.clear());
      for (const pause of pauses) giveBackPaused(pause);
      startJobs();
    },
    trouble,
  });

  const idleness = createIdleness({ setIdle: events.setIdle, lookAgain: fetcher.lookAgain });

  const heartbeat = createHeartbeat({
    intervalMs: options.heartbeatIntervalMs,
    abortAfterMs: options.abortAfterMs,
    beat: queue.beat,
    leases: () => [...buffer.jobs(), ...runner.jobs(), ...completer.jobs()],
    onLost(lost) {
      forget('cancelled', ({ leaseToken }) => lost.has(leaseToken) && saidCancelled.has(leaseToken));
      forget('lease_lost', ({ leaseToken }) => lost.has(leaseToken) && !saidCancelled.has(leaseToken));
    },
    onCommand: commands.beaten,
    onSilence() {
      logger.error({ running: runner.size() }, 'no heartbeat arrived for too long, all jobs are aborted');
      giveBack(buffer.clear());
      runner.abort('no_heartbeat');
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

  const wantsJobs = (): boolean =>
    heartbeat.alive() && commands.current() === 'run' && draining === undefined;

  /** Not for a few more jobs while most of those that were fetched ahead are still there. */
  function demand(): number {
    if (!wantsJobs() || completer.full()) return 0;
    const slowMs = Math.max(pace.slowMs(), runner.oldestAgeMs());
    const ahead = Math.min(prefetchSize(options.concurrency, slowMs), budget.jobs());
    const room = options.concurrency + ahead - runner.size() - buffer.size();
    return room < ahead / 2 ? 0 : Math.min(room, budget.jobs(), CLAIM_LIMIT);
  }

  function startJobs(): void {
    while (runner.size() < options.concurrency && buffer.size() > 0 && !turn.isOver(performance.now())) {
      startNext();
    }
    buffer.watch();
  }

  function startNext(): void {
    const next = buffer.take();
    if (!next) return;
    metrics.bufferWait.observe((performance.now() - next.sinceMs) / 1000);
    runner.start(next.job);
  }

  /** With their attempts. */
  function giveBack(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) completer.add(reportOf(job, { status: 'released' }));
  }

  /** These jobs are no longer ours: nothing is reported of them. */
  function forget(reason: 'cancelled' | 'lease_lost', fits: (job: ClaimedJob) => boolean): void {
    for (const { type } of buffer.remove(fits)) metrics.processed.inc({ type, outcome: reason });
    runner.abort(reason, fits);
  }

  function hearOfCancelled(leaseToken: string): void {
    if (![...buffer.jobs(), ...runner.jobs()].some((job) => job.leaseToken === leaseToken)) return;
    saidCancelled.set(leaseToken, true);
    heartbeat.beatNow();
  }

  function giveBackPaused({ type, organizationId }: QueuePause): void {
    const isPaused = (job: ClaimedJob): boolean =>
      (type === undefined || job.type === type) &&
      (organizationId === undefined || job.organizationId === organizationId);
    giveBack(buffer.remove(isPaused));
  }

  function obey(command: WorkerCommand): void {
    if (draining) return;
    logger.info({ command }, 'worker obeys a command');
    if (command === 'run') {
      fetcher.lookAgain();
      return;
    }
    idleness.end();
    giveBack(buffer.clear());
    if (command === 'drain') return;
    draining = drain();
    dependencies.onStop?.();
  }

  async function drain(): Promise<void> {
    const fetched = fetcher.stop();
    idleness.end();
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
      if (draining) return;
      events.start({
        onReady(type) {
          if (type === undefined || registry.has(type)) fetcher.lookAgain();
          // It has just begun to listen: what was said before, a beat tells.
          if (type === undefined) heartbeat.beatNow();
        },
        onCancelled(leaseToken) {
          news.cancel(leaseToken);
          hearOfCancelled(leaseToken);
        },
        onPaused(pause) {
          news.pause(pause);
          giveBackPaused(pause);
        },
        onCommand: heartbeat.beatNow,
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

const reportOf = ({ id, type, leaseToken, attempt, traceId }: ClaimedJob, outcome: Outcome): Report => ({
  job: { id, type, leaseToken, attempt, traceId },
  outcome,
});
