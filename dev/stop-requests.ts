import { watchAncestors } from './ancestors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Ctrl-C arrives twice: from the terminal, and from npm, which passes it on. */
const SAME_REQUEST_MS = 500;

/** Calls `stop` for the first request to stop, and `hurry` for the next: signals, and the death of npm. */
export function onStopRequest({ stop, hurry }: { stop(): void; hurry(): void }): void {
  let firstAt: number | undefined;
  const request = (): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      stop();
    } else if (performance.now() - firstAt > SAME_REQUEST_MS) {
      hurry();
    }
  };
  for (const signal of SIGNALS) process.on(signal, request);
  watchAncestors(request);
}
