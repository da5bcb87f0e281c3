import { type EffectiveConfig, type EffectiveVariable, effectiveConfig } from '#src/config/effective.ts';
import { ConfigurationError, type Environment } from '#src/config/load.ts';
import type { Role } from '#src/config/variable.ts';

/**
 * Prints what the roles would start with, also when they would not start with it.
 *
 * @throws ConfigurationError as they would
 */
export function showConfig(roles: readonly Role[], environment: Environment, asJson: boolean): string {
  const effective = effectiveConfig(roles, environment);
  const output = asJson ? JSON.stringify({ roles, ...effective }, null, 2) : table(effective);
  if (effective.faults.length === 0) return output;
  process.stdout.write(`${output}\n`);
  throw new ConfigurationError(effective.faults);
}

function table({ variables }: EffectiveConfig): string {
  const rows = [['VARIABLE', 'VALUE', 'SOURCE', 'ROLES'], ...variables.map(cellsOf)];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const cellsOf = ({ name, value, source, ageDays, roles }: EffectiveVariable): string[] => [
  name,
  value === '' ? 'empty' : value,
  ageDays === undefined ? source : `${source}, ${ageDays} d old`,
  roles.join(' '),
];
