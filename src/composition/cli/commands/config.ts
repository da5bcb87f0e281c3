import { type EffectiveVariable, effectiveConfig } from '#src/config/effective.ts';
import { ROLES, type Role } from '#src/config/variable.ts';
import { UsageError, defineCommand } from '../command.ts';
import { tableOf } from '../table.ts';

/** What the roles would start with, also when they would not start with it: then it fails, and says why. */
export const command = defineCommand({
  usage: [`[all|${ROLES.join('|')}]`],
  examples: ['dragonfly config worker', 'dragonfly config --json'],
  permission: 'platform:read',
  positionals: 1,
  run: ({ positionals: [name = 'all'], environment }) => {
    const roles = name === 'all' ? (['api', 'worker'] as const) : [name].filter(isRole);
    if (roles.length === 0) throw new UsageError(`There is no role ${name}.`);
    const { variables, faults } = effectiveConfig(roles, environment);
    const rows = [['VARIABLE', 'VALUE', 'SOURCE', 'ROLES'], ...variables.map(cellsOf)];
    const text = [tableOf(rows), ...faults.map((fault) => `fault: ${fault}`)].join('\n');
    return Promise.resolve({
      text,
      data: { roles, variables, faults },
      status: faults.length === 0 ? 'pass' : 'fail',
    });
  },
});

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

const cellsOf = ({ name, value, source, ageDays, roles }: EffectiveVariable): string[] => [
  name,
  value === '' ? 'empty' : value,
  ageDays === undefined ? source : `${source}, ${ageDays} d old`,
  roles.join(' '),
];
