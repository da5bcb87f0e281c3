import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Command } from '#src/composition/cli/command.ts';
import { command as release } from '#src/composition/cli/commands/release.ts';
import { isGroup } from '#src/composition/cli/help.ts';
import { registry } from '#src/composition/cli/registry.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root });

/** As a text in backticks, or as a line of an example. */
const NAMED = /\bdragonfly -- ([^`]+?)(?=`|\n\n|\s+#|[;|)]|$)/gm;
/** `migrate up --dry-run`, without what comes before it. */
const SHORT = new RegExp(
  String.raw`\x60((?:${Object.keys(registry).join('|')}) [^\x60]*--[^\x60]*)\x60`,
  'g',
);

/** A whole one, as a line of an example. */
const RELEASE = /\brelease --env (?:staging|prod) [^`]+?(?=`|\n|$)/g;

const commandsOf = (text: string): string[] => {
  const plain = text.replaceAll(/\$\([^)]*\)/g, 'VALUE').replaceAll('\\\n', ' ');
  return [...plain.matchAll(NAMED), ...plain.matchAll(SHORT)]
    .map(([, line = '']) => line.replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '…');
};

/** As a shell would. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );

async function faultOf(line: string): Promise<string | undefined> {
  const [name = '', ...rest] = words(line);
  const command = await registry[name]?.load().then((module) => module.command);
  if (command === undefined) return `no command ${name}`;
  if (!isGroup(command)) return refusal(command, rest);
  const [action, ...more] = rest;
  if (action === undefined) return undefined;
  return command.actions[action] ? refusal(command.actions[action], more) : `no action ${name} ${action}`;
}

/** Where only an option is named, its value is none of the page's business. */
function refusal(command: Command, args: readonly string[]): string | undefined {
  const tries = args.at(-1)?.startsWith('--') ? [args, [...args, 'VALUE']] : [args];
  const errors = tries.map((words) => errorOf(() => command.parse(words)));
  return errors.every((error) => error !== undefined) ? errors.at(-1) : undefined;
}

function errorOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

it.each(pages)('[DOC-1] %s names commands with the actions and options that they have', async (page) => {
  const lines = commandsOf(readFileSync(join(root, page), 'utf8'));
  const faults = await Promise.all(lines.map(async (line) => [line, await faultOf(line)] as const));
  expect(faults.filter(([, fault]) => fault !== undefined)).toEqual([]);
});

it('[DEP-4] every example of a release outside dev says where its metrics are', () => {
  const texts = [...release.examples, ...pages.map((page) => readFileSync(join(root, page), 'utf8'))];
  const shown = texts.flatMap((text) => text.replaceAll('\\\n', ' ').match(RELEASE) ?? []);
  expect(shown.length).toBeGreaterThan(2);
  for (const line of shown) expect(line).toContain(' --ops-url http');
});

it('[DOC-1] a command that is not there is found', async () => {
  const lines = commandsOf(
    '`npm run dragonfly -- keys make` and `npm run dragonfly -- doctor --loud`; `migrate up --wet-run`',
  );
  expect(lines).toHaveLength(3);
  expect(await Promise.all(lines.map(faultOf))).toEqual([
    'no action keys make',
    expect.stringContaining('--loud'),
    expect.stringContaining('--wet-run'),
  ]);
});
