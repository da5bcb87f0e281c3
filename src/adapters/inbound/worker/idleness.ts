/** A worker that is idle counts as busy after so many claims in a row that found something: a trickle keeps it idle. */
const BUSY_AFTER = 8;
/** By then a claim sweeps again for what was committed late. */
const SECOND_LOOK_MS = 25;

export interface IdlenessOptions {
  readonly setIdle: (idle: boolean) => Promise<void> | void;
  readonly lookAgain: () => void;
}

/**
 * Whether this worker waits for jobs, so that whoever has queued some wakes it. What was committed while it became idle woke
 * nobody: it is found by looking at once, and once more a little later. What nobody wakes for waits for the poll.
 */
export function createIdleness({ setIdle, lookAgain }: IdlenessOptions) {
  let idle = false;
  let foundInARow = 0;
  let secondLook: NodeJS.Timeout | undefined;

  async function become(now: boolean): Promise<void> {
    if (now === idle) return;
    idle = now;
    clearTimeout(secondLook);
    await setIdle(now);
    if (!now || !idle) return;
    lookAgain();
    secondLook = setTimeout(lookAgain, SECOND_LOOK_MS);
  }

  return {
    /** A claim brought so many jobs. */
    claimed(jobs: number): void {
      foundInARow = jobs > 0 ? foundInARow + 1 : 0;
      if (foundInARow === 0) void become(true);
      else if (foundInARow >= BUSY_AFTER) void become(false);
    },
    /** No job is wanted any more. */
    end(): void {
      void become(false);
    },
  };
}
