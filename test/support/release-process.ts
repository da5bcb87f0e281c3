import { join } from 'node:path';
import { untilSignalled } from '#src/composition/cli/until-signalled.ts';
import { type Setup, runRelease } from '#src/composition/release/run.ts';
import { localProcesses } from '#src/composition/release/targets.ts';

/** What can be said of a release in JSON. */
export interface ReleaseInstructions extends Omit<Setup, 'target' | 'signal' | 'progress'> {
  readonly folder: string;
  readonly port: number;
}

/** As the setup of a release, without its signal: processes of this machine, each begun by the file `start.mjs` of its release. */
export const setupFrom = ({ folder, port, ...rest }: ReleaseInstructions): Omit<Setup, 'signal'> => ({
  ...rest,
  target: localProcesses(folder, port, (release) => [process.execPath, join(release, 'start.mjs'), 'all']),
  progress: () => {},
});

/** A release in a process of its own, to be killed. */
if (import.meta.main) {
  const setup = setupFrom(JSON.parse(process.argv[2] ?? '') as ReleaseInstructions);
  const left = await untilSignalled(
    (signal) => `stopped by ${signal}`,
    async (signal) => await runRelease({ ...setup, signal }, false),
  );
  console.log(JSON.stringify(left));
}
