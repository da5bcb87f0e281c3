import type { WorkerCommand } from '#src/application/worker/ports.ts';

/** What operators ask of this worker: a notification says it sooner, the beats say it for certain. */
export function createCommands(obey: (command: WorkerCommand) => void) {
  let current: WorkerCommand = 'run';
  let notifiedMs = -Infinity;

  function change(command: WorkerCommand): void {
    if (command === current) return;
    current = command;
    obey(command);
  }

  return {
    current: (): WorkerCommand => current,
    notified(command: WorkerCommand): void {
      notifiedMs = performance.now();
      change(command);
    },
    /** @param askedMs when the beat began: what it says may be older than the last notification */
    beaten(command: WorkerCommand, askedMs: number): void {
      if (askedMs >= notifiedMs) change(command);
    },
  };
}
