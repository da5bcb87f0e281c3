import { join } from 'node:path';
import { reasonOf } from '#src/composition/reason.ts';
import { type Access, createAccess } from './access.ts';
import { type Backend, type BackendOptions, startBackend } from './backend.ts';
import { panel } from './panel.ts';
import { type Runner, createRunner } from './runner.ts';
import type { Claim } from './running.ts';
import { CHECKOUT } from './servers/state-directory.ts';
import { onStopRequest } from './stop-requests.ts';
import { watchFiles } from './watch.ts';

const print = (line: string): void => console.log(`dev: ${line}`);

/**
 * Runs PostgreSQL, Redis and the app until it is asked to stop, and ends them in the opposite order.
 *
 * @returns the exit code
 */
export async function supervise(options: BackendOptions, claim: Claim): Promise<number> {
  const ending = Promise.withResolvers<number>();
  let runner: Runner | undefined;
  onStopRequest({ stop: () => ending.resolve(0), hurry: () => runner?.kill() });

  const backend = await Promise.race([startBackend(options, print), ending.promise]);
  if (typeof backend === 'number') return backend; // What has started by now ends with this process.

  runner = superviseApp(backend, options.directory, claim, ending.resolve);
  const { run } = runner;
  const files = watchFiles(
    (path) => {
      print(`${path} was saved, restarting`);
      void run();
    },
    (error) => print(`saved files may go unnoticed: ${error.message}`),
  );
  void run();
  const code = await Promise.race([ending.promise, backend.ended]);
  if (code === undefined) print('PostgreSQL has ended');
  files.close();
  await runner.stop();
  await backend.stop();
  return code ?? 1;
}

function superviseApp(
  backend: Backend,
  directory: string,
  claim: Claim,
  end: (code: number) => void,
): Runner {
  const currentAccess = createAccess(async () => {
    const { issueAccess } = await import('./database.ts');
    return await issueAccess(backend.database);
  });
  let access: Access | undefined;
  let shown: Access | undefined;
  let since: number | undefined;
  return createRunner({
    async environment() {
      const { appEnvironment } = await import('./app-environment.ts');
      return {
        ...appEnvironment(backend.appVariables),
        NODE_COMPILE_CACHE: join(directory, 'compile-cache'),
      };
    },

    async prepare() {
      // The first start began with this process.
      since = since === undefined ? 0 : performance.now();
      const { migrateDatabase } = await import('./database.ts');
      const applied = await migrateDatabase(backend.database);
      if (shown) for (const name of applied) print(`migrated ${name}`);
      access = await currentAccess();
    },

    onReady(urls, notes) {
      claim.update(urls.api);
      const seconds = ((performance.now() - (since ?? 0)) / 1000).toFixed(1);
      if (access === undefined || access === shown) {
        print([`ready at ${urls.api} after ${seconds} s`, ...notes].join('; '));
        return;
      }
      shown = access;
      const content = {
        urls,
        ...access,
        receiver: backend.receiver.url,
        state: directory.startsWith(CHECKOUT) ? undefined : directory,
        notes: [...notes, ...backend.notes],
        seconds,
      };
      console.log(panel(content));
    },

    onEnd(code) {
      if (code > 0 && code < 128) {
        print(`the app ended with exit code ${code}; it starts again when you save a file`);
        return;
      }
      print(code === 0 ? 'the app has ended' : `the app was ended by signal ${code - 128}`);
      end(code === 0 ? 0 : 1);
    },

    onFault(error) {
      print(reasonOf(error));
      print('the app starts when you save a file; npm run dev -- --reset begins with an empty database');
    },
  });
}
