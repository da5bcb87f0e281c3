import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const LAW = /^- \*\*(?<id>[A-Z][A-Z0-9]*-\d+)\*\* .+$/;
const COLLECTED = /^ {2}_(?:Checked by|Not yet)\b/;

/** What checks: the titles of tests, the steps of the gate, the messages of the linter. */
const CHECKS = ['test/**/*.test.ts', '.ci/run', '.oxlintrc.json'];

/** docs/constitution.md with the line below each law made anew: the checks that name it. */
export async function renderConstitution(): Promise<string> {
  const checks = await checksByLaw();
  const lines = (await readFile(join(root, 'docs/constitution.md'), 'utf8')).split('\n');
  return lines
    .filter((line) => !COLLECTED.test(line))
    .flatMap((line) => {
      const id = LAW.exec(line)?.groups?.['id'];
      return id === undefined ? [line] : [line, `  _${checkOf(checks.get(id) ?? [])}_`];
    })
    .join('\n');
}

const checkOf = (files: readonly string[]): string =>
  files.length === 0 ? 'Not yet.' : `Checked by ${files.map((file) => `[${file}](../${file})`).join(', ')}.`;

async function checksByLaw(): Promise<Map<string, string[]>> {
  const checks = new Map<string, string[]>();
  for (const file of globSync(CHECKS, { cwd: root }).toSorted()) {
    const text = await readFile(join(root, file), 'utf8');
    const ids = new Set([...text.matchAll(/\[([A-Z][A-Z0-9]*-\d+)\]/g)].map(([, id = '']) => id));
    for (const id of ids) checks.set(id, [...(checks.get(id) ?? []), file]);
  }
  return checks;
}
