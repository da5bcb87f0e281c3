const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Work that has to end in good order: a signal aborts it, and does not end the process. */
export async function untilSignalled<T>(
  reason: (signal: string) => string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const onSignal = (signal: string): void => stop.abort(new Error(reason(signal)));
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(stop.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
