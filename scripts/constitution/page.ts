import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { collectEnforcements } from './enforcements.ts';
import { PAGE } from './laws.ts';

const root = resolve(import.meta.dirname, '../..');
const LAW = /^- \*\*(?<id>[A-Z][A-Z0-9]*-\d+)\*\* .+$/;
const COLLECTED = /^ {2}_Checked by\b/;

/** docs/constitution.md with the line below each law made anew: the files whose checks name it. */
export async function renderConstitution(): Promise<string> {
  const files = Map.groupBy(
    collectEnforcements(root).flatMap(({ file, laws }) => laws.map((law) => ({ file, law }))),
    ({ law }) => law,
  );
  const lines = (await readFile(join(root, PAGE), 'utf8')).split('\n');
  return lines
    .filter((line) => !COLLECTED.test(line))
    .flatMap((line) => {
      const checks = files.get(LAW.exec(line)?.groups?.['id'] ?? '') ?? [];
      return checks.length === 0 ? [line] : [line, checkedBy(checks.map(({ file }) => file))];
    })
    .join('\n');
}

const checkedBy = (files: readonly string[]): string =>
  `  _Checked by ${[...new Set(files)].map((file) => `[${file}](../${file})`).join(', ')}._`;
