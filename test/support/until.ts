import { vi } from 'vitest';

/** Fulfils with what `look` returns as soon as it does not throw. Patient, because the machine may be busy. */
export const until = async <T>(look: () => T | Promise<T>, timeout = 20_000): Promise<T> =>
  await vi.waitFor(look, { timeout, interval: 20 });
