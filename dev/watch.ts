import { watch } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from './servers/state-directory.ts';

const QUIET_MS = 100;

/**
 * Calls back with a path when files of the app were saved, once for all files that are saved together, and with an error
 * when the system cannot watch them, because it has run out of watches, say.
 */
export function watchFiles(
  onSave: (path: string) => void,
  onError: (error: Error) => void,
): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const watchFolder = (folder: string, isOurs: RegExp, recursive: boolean) =>
    watch(join(CHECKOUT, folder), { recursive }, (_event, name) => {
      if (name === null || !isOurs.test(name)) return;
      clearTimeout(timer);
      timer = setTimeout(() => onSave(join(folder, name)), QUIET_MS);
    }).on('error', onError);
  const watchers = [
    watchFolder('src', /\.ts$/, true),
    watchFolder('migrations', /\.sql$/, false),
    // The folder and not the file, which may not exist yet and which editors replace.
    watchFolder('.', /^\.env$/, false),
  ];
  return {
    close: () => {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
