import { examine, expecting } from '#src/application/checks/doctor.ts';
import { unseen } from '#src/application/checks/security/audited.ts';
import { reasonOf } from '#src/composition/reason.ts';
import { securityExaminations } from '#src/composition/security-audit.ts';
import { defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';
import { rolesOf } from '../roles.ts';
import { PLACE_OPTIONS, placeOf } from '../service-address.ts';

const text = { type: 'string' } as const;

export const command = defineCommand({
  usage: ['[--url URL [--ops-url URL]] [--roles ROLE,…] [--expect CHECK,…]'],
  examples: [
    'dragonfly security-audit --env dev',
    'dragonfly security-audit --env prod --url https://api.example.com --ops-url http://10.0.0.7:9090 --strict --json',
  ],
  options: {
    ...PLACE_OPTIONS,
    /** Whose variables are here to be looked at. */
    roles: { ...text, default: 'api,worker' },
    expect: { ...text, default: '' },
  },
  permission: 'platform:read',
  run: async ({ options, environment, progress }) => {
    const request = {
      environment,
      roles: rolesOf(options.roles),
      place: placeOf(options),
    };
    progress('looking at the rights in PostgreSQL, keys, the audit log, the configuration and the service');
    const findings = await examine(securityExaminations(request), reasonOf, unseen);
    return findingsOutcome(expecting(findings, options.expect.split(',')));
  },
});
