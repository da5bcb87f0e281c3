import type { Beat, ClaimedLease, WorkerCommand, WorkerQueue } from '#src/application/worker/ports.ts';
import { type DatabaseTrouble, isUnavailable, retryDelayMs } from './database-trouble.ts';
import { createWakeUp, unlessAborted } from './pause.ts';

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Silence after which this worker takes itself for dead, well before others do. */
  readonly abortAfterMs: number;
  readonly beat: WorkerQueue['beat'];
  /** Of all jobs that this worker has. */
  readonly leases: () => ClaimedLease[];
  /** Leases that the database gave to somebody else, or to nobody. */
  readonly onLost: (leaseTokens: ReadonlySet<string>) => void;
  /** With each beat. */
  readonly onCommand: (command: WorkerCommand) => void;
  /** No beat arrived for `abortAfterMs`. */
  readonly onSilence: () => void;
  /** The first beat, and the first one after a silence. */
  readonly onAlive: () => void;
  readonly trouble: DatabaseTrouble;
}

/** Tells the database that this worker lives, and learns which leases it lost. */
export function createHeartbeat(options: HeartbeatOptions) {
  const { intervalMs, abortAfterMs, beat, leases, onLost, onCommand, onSilence, onAlive, trouble } = options;
  const stopping = new AbortController();
  const attention = createWakeUp();
  let alive = false;
  let failures = 0;
  let silence: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function beatOnce(): Promise<void> {
    // Counted from before the beat: the database may have noted it at any time since.
    const startedAt = performance.now();
    const answer = await beat('running', leases());
    failures = 0;
    trouble.worked('beat');
    arrived(startedAt, answer);
  }

  function missed(error: unknown): void {
    trouble.failed('beat', error);
    failures += 1;
  }

  function arrived(startedAt: number, { lost, command }: Beat): void {
    if (stopping.signal.aborted) return;
    clearTimeout(silence);
    silence = setTimeout(fallSilent, Math.max(startedAt + abortAfterMs - performance.now(), 0));
    if (lost.size > 0) onLost(lost);
    onCommand(command);
    if (alive) return;
    alive = true;
    onAlive();
  }

  function fallSilent(): void {
    alive = false;
    onSilence();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const ms = failures > 0 ? Math.min(retryDelayMs(failures), intervalMs) : intervalMs;
      await attention.wait(ms);
      if (!stopping.signal.aborted) await beatOnce().catch(missed);
    }
  }

  return {
    /** Whether the database takes this worker for alive, and so may give it jobs. */
    alive: (): boolean => alive,
    /**
     * Beats once before it fulfils: a lease granted before the first beat would not be guarded by the beats.
     *
     * @throws what the database refused the first beat for; that it is unavailable is waited out (AV-8)
     */
    async start(): Promise<void> {
      await beatOnce().catch((error: unknown) => {
        if (!isUnavailable(error)) throw error;
        missed(error);
      });
      running = run();
    },
    /** Beats at once: something may have become of the leases, or of what is asked of this worker. */
    beatNow: attention.wake,
    /** Says goodbye, unless the signal is aborted before that is possible. */
    async stop(signal: AbortSignal): Promise<void> {
      stopping.abort();
      attention.wake();
      clearTimeout(silence);
      await unlessAborted(signal, running);
      if (signal.aborted) return;
      await unlessAborted(signal, beat('stopped', []).catch(missed));
    },
  };
}
