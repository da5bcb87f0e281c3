import type { ApiKeyStore, KeyUse } from './ports.ts';

const FLUSH_MS = 10_000;
/** Keys that wait for the next flush. */
const MAX_PENDING = 10_000;

interface Observer {
  /** A flush failed; its keys wait for the next one. */
  readonly onError: (error: unknown) => void;
  /** As many uses will not be recorded: too many keys wait, or nothing comes after this flush. */
  readonly onDrop: (count: number) => void;
}

/** Records the last use of API keys in batches, off the critical path of a request (SEC-5, ARC-5). */
export function makeKeyUse(keys: ApiKeyStore, { onError, onDrop }: Observer) {
  let used = new Map<string, KeyUse>();

  function note(use: KeyUse): void {
    if (used.size < MAX_PENDING || used.has(use.keyId)) used.set(use.keyId, use);
    else onDrop(1);
  }

  async function flush(): Promise<void> {
    if (used.size === 0) return;
    const uses = [...used.values()];
    used = new Map();
    try {
      await keys.touch(uses);
    } catch (error) {
      onError(error);
      for (const use of uses) note(use);
    }
  }

  const timer = setInterval(() => void flush(), FLUSH_MS);
  timer.unref();

  return {
    note,
    async stop(): Promise<void> {
      clearInterval(timer);
      await flush();
      if (used.size > 0) onDrop(used.size);
    },
  };
}
