import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const rows = [...read('docs/truth-sources.md').matchAll(/^\| (.+?) *\|(.*)\|(.*)\|(.*)\|$/gm)]
  .map(([, fact = '', source = '', made = '', verified = '']) => ({ fact, source, made, verified }))
  .filter(({ fact }) => fact !== 'Fact' && !fact.startsWith('---'));

const named = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
/** Not a route, an option or something in the database. */
const paths = (cell: string): string[] =>
  named(cell).filter((name) => !/^(?:GET |--|ops\.|migration\.)/.test(name));

const GENERATED = new Set(
  [...read('scripts/generate.ts').matchAll(/^ {2}'([^']+)':/gm)].map(([, path]) => path),
);

describe('[DOC-1] the table of sources of truth', () => {
  it('names schema, functions, workers, environment and views', () => {
    expect(rows.map(({ fact }) => fact)).toEqual(
      expect.arrayContaining([
        'Schema',
        'SQL functions',
        expect.stringMatching(/^Workers/),
        'Environment',
        expect.stringMatching(/^Views/),
      ]),
    );
  });

  it.each(rows)('$fact: what is named exists', ({ source, made, verified }) => {
    const files = [
      ...paths(source),
      ...paths(made),
      ...paths(verified).filter((name) => name.startsWith('.ci/')),
    ];
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(source.trim()).not.toBe('');
  });

  it.each(rows.filter(({ verified }) => verified.trim() !== ''))(
    '$fact is verified by a command',
    ({ verified }) => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
      const known = (command: string): boolean =>
        command.startsWith('.ci/') || (/^npm (?:run )?([\w:-]+)/.exec(command)?.[1] ?? '') in scripts;
      expect(named(verified).filter((command) => !known(command))).toEqual([]);
    },
  );

  it('has everything that is generated', () => {
    const made = new Set(rows.flatMap(({ source, made: files }) => named(source + files)));
    expect([...GENERATED].filter((path) => path !== undefined && !made.has(path))).toEqual([]);
  });
});

describe('[DOC-1] the runbooks', () => {
  it('are all in their table', () => {
    const index = read('docs/runbook.md');
    const files = globSync('docs/runbooks/*.md', { cwd: root }).map((file) => file.replace('docs/', ''));
    expect(files.filter((file) => !index.includes(`](${file})`))).toEqual([]);
  });

  it('have the five steps of debugging', () => {
    expect([...read('docs/runbooks/debugging.md').matchAll(/^\d\. \*\*/gm)]).toHaveLength(5);
  });
});
