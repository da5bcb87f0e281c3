import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const template = readFileSync(`${root}/.github/pull_request_template.md`, 'utf8');
const headings = [...template.matchAll(/^## .+$/gm)].map(([heading]) => heading);
const filled = headings.map((heading) => `${heading}\n\nnone\n`).join('\n');

const check = (description: string) =>
  spawnSync(process.execPath, ['scripts/pull-request.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, DESCRIPTION: description },
  });

describe('[DOC-4] the description of a pull request', () => {
  it('asks for the reason, the test, migrations, logs and metrics, deprecations and threats', () => {
    expect(headings).toHaveLength(6);
  });

  it('passes with a word below each heading, in either kind of lines', () => {
    expect(check(filled)).toMatchObject({ status: 0, stderr: '' });
    expect(check(filled.replaceAll('\n', '\r\n')).status).toBe(0);
  });

  it.each([
    ['the template as it is', template],
    ['nothing', ''],
    ['a comment that is not closed', filled.replace('none', '<!-- none')],
    ['headings without a word', headings.join('\n\n')],
  ])('fails with %s', (_, description) => {
    expect(check(description).status).toBe(1);
  });

  it('names the heading that is missing', () => {
    expect(check(filled.replace('## Threats', '## Other')).stderr).toContain('"## Threats"');
  });
});
