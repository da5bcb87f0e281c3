import type { Command, Group } from './command.ts';
import { registry } from './registry.ts';

const COMMON = `Options of every command:
  --env dev|staging|prod  which environment this is, instead of DRAGONFLY_ENV
  --json                  for programs: one JSON document on the standard output
  --strict                a warning fails
  --help                  this
Exit code: 0 it is so, 1 it failed, 2 the command line is wrong.`;

export const overview = (): string =>
  [
    'Usage: dragonfly COMMAND [options]',
    ...Object.entries(registry).map(([name, { summary }]) => `  ${name.padEnd(22)}${summary}`),
    'dragonfly COMMAND --help tells more. Every variable of the environment: docs/configuration.md',
  ].join('\n');

export const isGroup = (command: Command | Group): command is Group => 'actions' in command;

const formsOf = (name: string, { usage }: Command): string[] =>
  (usage.length === 0 ? [''] : usage).map((form) => `dragonfly ${name} ${form}`.trimEnd());

/** The forms of a command, as a wrong command line is answered with. */
export function usageOf(name: string, command: Command | Group): string {
  const forms = isGroup(command)
    ? Object.entries(command.actions).flatMap(([action, of]) => formsOf(`${name} ${action}`, of))
    : formsOf(name, command);
  return forms.map((form, index) => `${index === 0 ? 'Usage: ' : '       '}${form}`).join('\n');
}

export function helpOf(name: string, command: Command | Group): string {
  const examples = isGroup(command)
    ? Object.values(command.actions).flatMap((action) => action.examples)
    : command.examples;
  const shown = examples.length === 0 ? [] : [`Examples:\n${examples.map((line) => `  ${line}`).join('\n')}`];
  return [usageOf(name, command), ...shown, COMMON].join('\n\n');
}
