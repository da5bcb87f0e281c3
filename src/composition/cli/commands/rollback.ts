import { runRollback } from '#src/composition/release/run.ts';
import { UsageError, defineCommand } from '../command.ts';
import { RELEASE_OPTIONS, formsOf, setupOf } from '../release-options.ts';
import { GONE_BACK, releaseOutcome } from '../release-outcome.ts';
import { untilSignalled } from '../until-signalled.ts';

export const command = defineCommand({
  usage: formsOf('[--to COMMIT]', '[--ops-url URL]'),
  examples: [
    'dragonfly rollback --env staging --target helm --values staging.yaml --url https://staging.example.com --dry-run',
  ],
  options: { ...RELEASE_OPTIONS, to: { type: 'string' } },
  permission: 'releases:write',
  run: async ({ options: { to, ...options }, ...surroundings }) => {
    if (to !== undefined && !/^[0-9a-f]{40}$/.test(to))
      throw new UsageError('--to: the full hash of a commit, 40 hexadecimal digits.');
    return await untilSignalled(
      (signal) => `The rollback was stopped by ${signal}.`,
      async (signal) => {
        const setup = await setupOf(options, surroundings, signal);
        return releaseOutcome(await runRollback(setup, { to, dryRun: options['dry-run'] }), GONE_BACK);
      },
    );
  },
});
