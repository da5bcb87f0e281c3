import { examine, expecting } from '#src/application/checks/doctor.ts';
import { examinations } from '#src/composition/doctor.ts';
import { reasonOf } from '#src/composition/reason.ts';
import { UsageError, defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';

export const command = defineCommand({
  usage: ['[--api-replicas N] [--worker-replicas N] [--expect CHECK,…]'],
  examples: ['dragonfly doctor --strict', 'dragonfly doctor --api-replicas 6 --worker-replicas 4 --json'],
  options: {
    /** Instead of DRAGONFLY_API_REPLICAS_MAX and DRAGONFLY_WORKER_REPLICAS_MAX. */
    'api-replicas': { type: 'string' },
    'worker-replicas': { type: 'string' },
    expect: { type: 'string', default: '' },
  },
  permission: 'platform:read',
  run: async ({ options, environment, progress }) => {
    const replicas = { api: countOf(options['api-replicas']), worker: countOf(options['worker-replicas']) };
    progress('looking at PostgreSQL, Redis, the queue and this machine');
    const findings = await examine(examinations(environment, replicas), reasonOf);
    return findingsOutcome(expecting(findings, options.expect.split(',')));
  },
});

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,4}$/.test(text)) throw new UsageError(`Not a number of replicas: ${text}.`);
  return Number(text);
}
