import { isDeepStrictEqual } from 'node:util';
import { type App, type AppUrls, startApp } from './app.ts';
import { createPortChooser } from './app-ports.ts';

export interface RunnerOptions {
  /** Asked at each start, because `.env` may have changed. */
  environment(): Promise<Readonly<Record<string, string>>>;
  /** Before each start. When it throws, the app is not started. */
  prepare(): Promise<void>;
  onReady(urls: AppUrls, notes: readonly string[]): void;
  /** It ended and nobody asked for that, or it did not get ready. 128 + n when signal n ended it. */
  onEnd(code: number): void;
  /** `prepare` or `environment` threw. */
  onFault(error: unknown): void;
}

/** Keeps one app running, and replaces it on demand. */
export interface Runner {
  /** Starts the app or restarts it. What is asked for during a start follows it, once. */
  run(): Promise<void>;
  stop(): Promise<void>;
  /** Ends the app at once, also while it is being stopped. */
  kill(): void;
}

export function createRunner(options: RunnerOptions): Runner {
  const choosePorts = createPortChooser();
  let current: App | undefined;
  let last: App | undefined;
  let running = false;
  let again = false;
  const closing = new AbortController();

  async function run(): Promise<void> {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      await stopCurrent();
      try {
        await options.prepare();
        await start();
      } catch (error) {
        if (!closing.signal.aborted) options.onFault(error);
      }
    }
    running = false;
  }

  async function start(attempts = 3): Promise<void> {
    const environment = await options.environment();
    const { ports, notes } = await choosePorts(environment);
    if (closing.signal.aborted || again) return;
    const app = startApp({ ...environment, ...ports });
    current = app;
    last = app;
    const urls = await app.ready;
    if (urls) {
      options.onReady(urls, notes);
      void watch(app);
    } else if (attempts > 1 && !isDeepStrictEqual(ports, (await choosePorts(environment)).ports)) {
      // Somebody took a port between its choice and its use.
      await start(attempts - 1);
    } else {
      await watch(app);
    }
  }

  async function watch(app: App): Promise<void> {
    const code = await app.ended;
    if (current !== app) return;
    current = undefined;
    options.onEnd(code);
  }

  async function stopCurrent(): Promise<void> {
    const app = current;
    current = undefined;
    await app?.stop();
  }

  return {
    run,
    stop: async () => {
      closing.abort();
      await stopCurrent();
    },
    kill: () => last?.kill(),
  };
}
