import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { registry } from '#src/composition/cli/registry.ts';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root });
const read = (page: string): string =>
  readFileSync(join(root, page), 'utf8').replaceAll(/^```.*?^```/gms, '');

/** As GitHub makes them. */
const anchors = (page: string): string[] =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

const brokenLinks = (page: string): string[] =>
  [...read(page).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      return !existsSync(join(root, file)) || (anchor !== undefined && !anchors(file).includes(anchor));
    });

it.each(pages)('[DOC-1] %s links to nothing that is not there', (page) => {
  expect(brokenLinks(page)).toEqual([]);
});

it('the pages that everything starts from are there', () => {
  expect(pages).toEqual(
    expect.arrayContaining([
      'README.md',
      'docs/architecture/README.md',
      'docs/constitution.md',
      'docs/runbook.md',
    ]),
  );
});

const text = (page: string): string => readFileSync(join(root, page), 'utf8');
const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };

it.each(pages)('[DOC-1] %s names only scripts, roles and commands that there are', (page) => {
  const named = (pattern: RegExp): string[] => [...text(page).matchAll(pattern)].map(([, name = '']) => name);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named(/\bnpm run ([\w:-]+)/g)));
  expect(['api', 'worker', 'all', ...Object.keys(registry)]).toEqual(
    expect.arrayContaining(named(/\bdragonfly -- ([\w-]+)/g)),
  );
});

it('[DOC-1] README.md names every kind of test', () => {
  const named = [...text('README.md').matchAll(/^- `(test\/\w+)`/gm)].map(([, folder = '']) => folder);
  const folders = globSync('test/*', { cwd: root }).filter((folder) => folder !== 'test/support');
  expect(named.toSorted()).toEqual(folders.toSorted());
});
