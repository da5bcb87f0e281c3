import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gateReport } from '#src/composition/gate/run.ts';
import { variables } from '#src/config/variables.ts';
import { UsageError, defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';
import { PLACE_OPTIONS, placeOf } from '../service-address.ts';
import { untilSignalled } from '../until-signalled.ts';

const root = resolve(import.meta.dirname, '../../../..');

export const command = defineCommand({
  usage: ['--env dev|staging|prod [--strict] [--releasing] [--url URL [--ops-url URL]] [--report FILE]'],
  examples: [
    'dragonfly gate --env dev',
    'dragonfly gate --env prod --strict --url https://api.example.com --ops-url http://10.0.0.7:9090 --report gate.json',
    'dragonfly gate --env prod --strict --releasing --report gate.json',
  ],
  options: { ...PLACE_OPTIONS, releasing: { type: 'boolean' }, report: { type: 'string' } },
  permission: 'platform:read',
  run: async ({ options, environment, progress }) => {
    const { report, strict, releasing } = options;
    const place = placeOf(options);
    const env = variables.DRAGONFLY_ENV.schema.safeParse(environment['DRAGONFLY_ENV']);
    if (!env.success) throw new UsageError('--env: whose gate it is, dev, staging or prod.');
    if (report !== undefined) refuseUnwritable(report);
    const data = await untilSignalled(
      (signal) => `The gate was stopped by ${signal}, and what ran has ended.`,
      async (signal) =>
        await gateReport({ root, env: env.data, strict, releasing, place, environment, progress, signal }),
    );
    if (report !== undefined) writeFileSync(report, `${JSON.stringify(data, null, 2)}\n`);
    return { ...findingsOutcome(data.findings), data };
  },
});

/** Before the checks and not after them; and a report of before must not be taken for this one's. */
function refuseUnwritable(report: string): void {
  try {
    accessSync(dirname(resolve(report)), constants.W_OK);
    rmSync(report, { force: true });
  } catch (error) {
    throw new UsageError(`--report: ${report} cannot be written.`, { cause: error });
  }
}
