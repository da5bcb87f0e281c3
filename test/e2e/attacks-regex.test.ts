import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Visitor, parseSync } from 'rolldown/utils';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** More than any text that reaches one: the headers of a request end at 16 KiB, and each field has its bound. */
const LENGTH = 50_000;
/** A scan takes well under a millisecond, quadratic backtracking seconds. */
const SLOWEST_MS = 100;

function regexesIn(path: string): { name: string; regex: RegExp }[] {
  const found: { name: string; regex: RegExp }[] = [];
  const { program } = parseSync(path, readFileSync(`${ROOT}/${path}`, 'utf8'));
  new Visitor({
    Literal(literal) {
      if (!('regex' in literal)) return;
      const { pattern, flags } = literal.regex;
      found.push({ name: `${path} /${pattern}/${flags}`, regex: new RegExp(pattern, flags) });
    },
  }).visit(program);
  return found;
}

const regexes = globSync('src/**/*.ts', { cwd: ROOT }).toSorted().flatMap(regexesIn);

/** Runs of each character, and of each two, that the pattern may repeat, behind each start that it may ask for; then no match. */
function* attacksOn({ source }: RegExp): Generator<string> {
  const letters = [...new Set(`${source.replaceAll(/\\./g, '')} \t0a-_:.,;Z=/`.split(''))];
  const starts = ['', 'Bearer ', 'bearer  ', '00-', 'dfk_', '::', '2026-11-21T08:00:00.', '-', 'a'];
  for (const start of starts) {
    for (const letter of letters) yield `${start}${letter.repeat(LENGTH)}\0`;
  }
  for (const letter of letters) yield `${`${letter} `.repeat(LENGTH / 2)}\0`;
}

it('finds the regular expressions of the service', () => {
  expect(regexes.length).toBeGreaterThan(20);
  const naive = /^(?:a+)+$/;
  const startedAt = performance.now();
  naive.test(`${'a'.repeat(23)}\0`);
  expect(performance.now() - startedAt).toBeGreaterThan(SLOWEST_MS);
});

it.for(regexes)('[SEC-13] $name takes no longer for a hostile text', ({ regex }) => {
  let slowest = 0;
  for (const text of attacksOn(regex)) {
    const startedAt = performance.now();
    text.search(regex);
    slowest = Math.max(slowest, performance.now() - startedAt);
  }
  expect(slowest).toBeLessThan(SLOWEST_MS);
});
