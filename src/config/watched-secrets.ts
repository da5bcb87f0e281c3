import { type FSWatcher, promises, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Config, ConfigurationError, type Environment, type NameFor, loadConfig } from './load.ts';
import type { Secrets, Take } from './secrets.ts';
import type { Role } from './variable.ts';

/** Where notifications of the file system do not reach: links to elsewhere, network file systems, no watches left. */
const POLL_MS = 5000;
/** What two looks find alike so far apart is not being written any more. */
const SETTLE_MS = 200;

export interface SecretEvents {
  /** @param file base name of the path */
  readonly onRotated: (variable: string, file: string) => void;
  /** The values before stay in use. Told once of each content. @param faults as at the start, without values */
  readonly onFaults: (faults: readonly string[]) => void;
  /** What uses the variable could not use the new value; tried again at each look, told once of each content. */
  readonly onRefused: (variable: string, error: unknown) => void;
}

/**
 * Secrets whose files are watched: a new content becomes the value when the whole environment is accepted with it, and
 * whoever uses it has taken it. Kubernetes swaps the link `..data` beside the files, editors rename, others write in place:
 * so the folder is watched, and the contents are compared.
 *
 * @param files path by variable
 */
export function watchSecrets<R extends Role>(
  roles: readonly R[],
  environment: Environment,
  config: Config<R>,
  files: ReadonlyMap<string, string>,
  events: SecretEvents,
): Secrets<R> {
  const values: Record<string, unknown> = { ...config };
  const takers = new Map<string, Take<never>[]>();
  const refused = new Map<string, string>();
  const stopped = new AbortController();
  let wake: (() => void) | undefined;

  /** Ends earlier when something happens, but not at once: more of it may come. */
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      setTimeout(resolve, ms).unref();
      wake = () => {
        wake = undefined;
        setTimeout(resolve, SETTLE_MS).unref();
      };
    });
  const watchers = [...new Set([...files.values()].map((path) => dirname(path)))].map((folder) =>
    watchFolder(folder, () => {
      wake?.();
    }),
  );

  async function run(): Promise<void> {
    let seen: string | undefined;
    let settled: string | undefined;
    while (!stopped.signal.aborted) {
      const contents = await contentsOf(files);
      if (contents !== seen) {
        seen = contents;
        await pause(SETTLE_MS);
        continue;
      }
      if (contents !== settled || refused.size > 0) await accept(contents);
      settled = contents;
      await pause(POLL_MS);
    }
  }

  let faulty: string | undefined;
  async function accept(contents: string): Promise<void> {
    let next: Readonly<Record<string, unknown>>;
    try {
      next = loadConfig(roles, environment);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      if (faulty !== contents) events.onFaults(error.faults);
      faulty = contents;
      return;
    }
    faulty = undefined;
    for (const [name, path] of files) {
      if (JSON.stringify(next[name]) === JSON.stringify(values[name])) {
        refused.delete(name);
        continue;
      }
      try {
        await take(name, next[name]);
        refused.delete(name);
        events.onRotated(name, basename(path));
      } catch (error) {
        if (refused.get(name) !== contents) events.onRefused(name, error);
        refused.set(name, contents);
      }
    }
  }

  async function take(name: string, next: unknown): Promise<void> {
    if ((next === undefined) !== (values[name] === undefined)) {
      throw new Error('Whether there is one is decided at the start.');
    }
    for (const taker of takers.get(name) ?? []) await taker(next as never);
    values[name] = next;
  }

  void run();
  return {
    of: (name: NameFor<R>) => ({
      current: () => values[name] as never,
      onChange(taker) {
        takers.set(name, [...(takers.get(name) ?? []), taker]);
      },
    }),
    stop() {
      stopped.abort();
      for (const watcher of watchers) watcher?.close();
    },
  };
}

/** What the files hold, or why that cannot be said, as one text to compare. */
async function contentsOf(files: ReadonlyMap<string, string>): Promise<string> {
  const contents = await Promise.all(
    [...files.values()].map(async (path) => await promises.readFile(path, 'utf8').catch(codeOf)),
  );
  return JSON.stringify(contents);
}

const codeOf = (error: unknown) => ({ code: (error as NodeJS.ErrnoException).code });

/** None where the system gives none: then polling has to do. */
function watchFolder(folder: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent);
    return watcher.on('error', () => {
      watcher.close();
    });
  } catch {
    return undefined; // Too many watches, or a file system without them.
  }
}
