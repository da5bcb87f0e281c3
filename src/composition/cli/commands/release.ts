import { runRelease } from '#src/composition/release/run.ts';
import { defineCommand } from '../command.ts';
import { RELEASE_OPTIONS, formsOf, setupOf } from '../release-options.ts';
import { RELEASED, releaseOutcome } from '../release-outcome.ts';
import { untilSignalled } from '../until-signalled.ts';

export const command = defineCommand({
  usage: formsOf('[--strict] [--gate-report FILE] [--watch 15m]', '--ops-url URL'),
  examples: [
    'dragonfly release --env dev --target process --process-dir /srv/dragonfly --dry-run',
    'dragonfly release --env staging --strict --target helm --values staging.yaml --url https://staging.example.com --ops-url http://staging.internal:9090 --allowed-origin none',
    'dragonfly release --env prod --strict --target gitops --config-repository git@example.com:config.git --config-file prod/values.yaml --url https://api.example.com --ops-url http://api.internal:9090 --allowed-origin https://app.example.com',
  ],
  options: { ...RELEASE_OPTIONS, 'gate-report': { type: 'string' } },
  permission: 'releases:write',
  run: async ({ options, ...surroundings }) =>
    await untilSignalled(
      (signal) => `The release was stopped by ${signal}.`,
      async (signal) => {
        const setup = await setupOf(options, surroundings, signal);
        return releaseOutcome(
          await runRelease({ ...setup, gateReport: options['gate-report'] }, options['dry-run']),
          RELEASED,
        );
      },
    ),
});
