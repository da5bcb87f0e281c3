import type { WorkerCommand } from '#src/application/worker/ports.ts';

/** What operators ask of this worker, as its beats say it. */
export function createCommands(obey: (command: WorkerCommand) => void) {
  let current: WorkerCommand = 'run';

  return {
    current: (): WorkerCommand => current,
    beaten(command: WorkerCommand): void {
      if (command === current) return;
      current = command;
      obey(command);
    },
  };
}
