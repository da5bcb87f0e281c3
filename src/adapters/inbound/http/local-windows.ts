import { LRUCache } from 'lru-cache';

/** Begins with the first that is counted. */
export interface Window {
  count: number;
  /** On the clock of `performance.now()`. */
  readonly endsAt: number;
}

/** Keys that are counted at a time; beyond them the one not seen for longest begins anew. */
const MAX_KEYS = 10_000;

/** Fixed windows of this process alone: the current one of a key. */
export function localWindows(): (key: string, windowMs: number) => Window {
  const windows = new LRUCache<string, Window>({ max: MAX_KEYS });
  return (key, windowMs) => {
    const now = performance.now();
    const current = windows.get(key);
    if (current && current.endsAt > now) return current;
    const window = { count: 0, endsAt: now + windowMs };
    windows.set(key, window);
    return window;
  };
}
