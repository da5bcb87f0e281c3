/** Fulfils after the time, or as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const over = Promise.withResolvers<void>();
  const end = (): void => {
    over.resolve();
  };
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
}

/** A wait that can be cut short. To wake while nobody waits ends the next wait at once: no call is lost. */
export function createWakeUp() {
  let woken = false;
  let end: (() => void) | undefined;
  return {
    wake(): void {
      woken = true;
      end?.();
    },
    async wait(ms: number): Promise<void> {
      if (!woken) {
        const over = Promise.withResolvers<void>();
        const timer = setTimeout(over.resolve, ms);
        end = () => {
          clearTimeout(timer);
          over.resolve();
        };
        await over.promise;
        end = undefined;
      }
      woken = false;
    },
  };
}

/** Fulfils with the work, or as soon as the signal is aborted; what the work does then is its own affair. */
export async function unlessAborted(signal: AbortSignal, work: Promise<unknown> | undefined): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const end = (): void => {
    aborted.resolve();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
