import { checkSchema } from '#src/composition/schema-check.ts';
import { defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';

export const command = defineCommand({
  usage: ['[--applied]'],
  examples: ['dragonfly schema-check', 'dragonfly schema-check --applied --json'],
  options: { applied: { type: 'boolean', default: false } },
  permission: 'platform:read',
  run: async ({ options: { applied }, environment, progress }) =>
    findingsOutcome(await checkSchema(environment, { applied, progress })),
});
