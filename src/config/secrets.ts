import type { Config, NameFor } from './load.ts';
import type { Role } from './variable.ts';

/** Gets a value before it becomes the current one; while it rejects, the value before stays. */
export type Take<T> = (next: T) => Promise<void> | void;

/** A value that may change while the process runs. */
export interface Secret<T> {
  readonly current: () => T;
  readonly onChange: (take: Take<T>) => void;
}

export interface Secrets<R extends Role> {
  of<N extends NameFor<R>>(name: N): Secret<Config<R>[N]>;
  stop(): void;
}

/** Those of an environment without files: they stay what they are until the next start. */
export const fixedSecrets = <R extends Role>(config: Config<R>): Secrets<R> => ({
  of: (name) => ({ current: () => config[name], onChange() {} }),
  stop() {},
});
