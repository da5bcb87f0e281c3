import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
const lawsNamedIn = (text: string): string[] =>
  [...text.matchAll(/\[([A-Z][A-Z0-9]*-\d+)\]/g)].map(([, id = '']) => id);

const constitution = read('docs/constitution.md');
const laws = [...constitution.matchAll(/^- \*\*([A-Z][A-Z0-9]*)-(\d+)\*\* .+\n {2}_(.+)_$/gm)].map(
  ([, group = '', number = '', check = '']) => ({
    id: `${group}-${number}`,
    group,
    number: Number(number),
    check,
  }),
);

describe('the constitution', () => {
  it('numbers the laws of each group from 1 without a gap, and says of each how it is checked', () => {
    expect(laws.length).toBeGreaterThan(80);
    expect(laws).toHaveLength(constitution.match(/^- \*\*/gm)?.length ?? 0);
    for (const [group, members] of Map.groupBy(laws, (law) => law.group)) {
      expect(members.map(({ number }) => `${group}-${number}`)).toEqual(
        members.map((_, index) => `${group}-${index + 1}`),
      );
    }
  });

  it('knows every law that a test names', () => {
    const known = new Set(laws.map(({ id }) => id));
    const unknown = globSync('test/**/*.test.ts', { cwd: root }).flatMap((file) =>
      lawsNamedIn(read(file))
        .filter((id) => !known.has(id))
        .map((id) => `${file}: ${id}`),
    );
    expect(unknown).toEqual([]);
  });

  it('lists only checks that exist and name the law', () => {
    for (const { id, check } of laws) {
      const files = [...check.matchAll(/\]\(\.\.\/(.+?)\)/g)].map(([, file = '']) => file);
      expect(check === 'Not yet.' || files.length > 0).toBe(true);
      for (const file of files) expect(lawsNamedIn(read(file))).toContain(id);
    }
  });
});
