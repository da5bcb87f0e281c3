import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
const rules = readFileSync(`${root}/.github/CODEOWNERS`, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(/\s+/));

/** As GitHub reads the few forms that the file uses: from the root with `/`, a whole folder with one at the end. */
const matches = (pattern: string, file: string): boolean => {
  const body = pattern.replace(/^\//, '').replaceAll('.', '\\.').replaceAll('**/', '(?:.+/)?');
  return new RegExp(
    `^${pattern.startsWith('/') ? '' : '(?:.+/)?'}${body}${pattern.endsWith('/') ? '.+' : '$'}`,
  ).test(file);
};
const owned = (file: string): boolean => rules.some(([pattern = '']) => matches(pattern, file));

describe('[SEC-17] the code owners', () => {
  it.each(rules)('of %s own a file that is there', (pattern, ...owners) => {
    expect(files.filter((file) => matches(pattern, file))).not.toEqual([]);
    expect(owners).toEqual([expect.stringMatching(/^@[\w-]+\/[\w-]+$/)]);
  });

  it('approve what decides about access, data and releases', () => {
    const critical = files.filter((file) =>
      /^(?:\.ci|\.githooks|\.github|charts|migrations|docs\/security|scripts|src\/config|src\/composition|src\/adapters\/inbound\/http|src\/adapters\/outbound\/(?:postgres|telemetry|webhook))\/|^src\/.*\/(?:access|audit|idempotency)\/|(?:^|\/)(?:Dockerfile|\.npmrc|package-lock\.json|constitution\.md|waivers\.yaml|[A-Z]+\.yaml)$/.test(
        file,
      ),
    );
    expect(critical.length).toBeGreaterThan(50);
    expect(critical.filter((file) => !owned(file))).toEqual([]);
  });

  it('are not asked about everything', () => {
    expect(owned('README.md')).toBe(false);
  });
});
