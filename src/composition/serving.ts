import type { Role } from '#src/config/variable.ts';

/** What a process may serve as, by the word on its command line; `all` is api and worker in one. */
export const SERVING = {
  api: ['api'],
  worker: ['worker'],
  all: ['api', 'worker'],
} as const satisfies Readonly<Record<string, readonly Role[]>>;
