import type { ApiKeyStore } from './ports.ts';

const FLUSH_MS = 10_000;
/** Beyond it a use is not recorded until the next flush; its key is recorded then. */
const MAX_PENDING = 10_000;

/** Records the last use of API keys in batches, off the critical path of a request (SEC-5, ARC-5). */
export function makeKeyUse(keys: ApiKeyStore, onError: (error: unknown) => void) {
  let used = new Set<string>();

  async function flush(): Promise<void> {
    if (used.size === 0) return;
    const ids = [...used];
    used = new Set();
    try {
      await keys.touch(ids);
    } catch (error) {
      onError(error);
    }
  }

  const timer = setInterval(() => void flush(), FLUSH_MS);
  timer.unref();

  return {
    note(keyId: string): void {
      if (used.size < MAX_PENDING) used.add(keyId);
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      await flush();
    },
  };
}
