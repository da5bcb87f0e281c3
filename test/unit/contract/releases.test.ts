import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { at } from './at.ts';
import { COMMITTED } from './document.ts';

const run = promisify(execFile);
const CHECK = resolve(import.meta.dirname, '../../../scripts/contract/main.ts');
/** Whoever runs this in a hook of Git has variables that point at that repository. */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))),
  GIT_CONFIG_GLOBAL: '/dev/null',
};

/** The committed contract, changed. */
function contract(change: (document: object) => unknown = () => {}): string {
  const document = JSON.parse(COMMITTED) as object;
  change(document);
  return JSON.stringify(document);
}
const narrower = contract(
  (document) => delete at(document, '/paths/~1v1~1jobs/get/parameters/4/schema')['default'],
);
const wider = contract((document) => {
  at(document, '/components/schemas/Job/properties')['region'] = { type: 'string' };
});

/** A repository of its own, with a commit for each of the contracts, tagged with the names. */
async function checkout(...commits: [text: string, ...tags: string[]][]) {
  const folder = await mkdtemp(join(tmpdir(), 'contract-'));
  onTestFinished(async () => {
    await rm(folder, { recursive: true });
  });
  const git = async (...options: string[]) =>
    await run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...options], {
      cwd: folder,
      env: ENVIRONMENT,
    });
  await mkdir(join(folder, 'openapi'));
  await git('init', '--quiet');
  for (const [text, ...tags] of commits) {
    await writeFile(join(folder, 'openapi/openapi.json'), text);
    await git('add', '.');
    await git('commit', '--quiet', '--allow-empty', '--message', 'A contract');
    for (const tag of tags) await git('tag', tag);
  }
  return { folder, git };
}

async function checked(folder: string): Promise<{ status: number; output: string }> {
  try {
    const { stdout } = await run(process.execPath, [CHECK], { cwd: folder, env: ENVIRONMENT });
    return { status: 0, output: stdout };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { status: code, output: stderr };
  }
}

describe('[API-1] the check of the contract passes', () => {
  it.for<[string, [string, ...string[]][], string]>([
    ['where there is no release yet', [[contract()]], 'there is no release yet'],
    ['where other tags are none', [[narrower, 'nightly', 'vnext'], [contract()]], 'there is no release yet'],
    ['what adds to the last release', [[contract(), 'v1.0.0'], [wider]], 'compared with v1.0.0'],
    [
      'what an older release had and the last one not',
      [[wider, 'v1.0.0'], [contract(), 'v2.0.0'], [contract()]],
      'compared with v2.0.0',
    ],
  ])('%s', async ([, commits, output]) => {
    const { folder } = await checkout(...commits);
    expect(await checked(folder)).toEqual({ status: 0, output: expect.stringContaining(output) });
  });

  it('outside of Git', async () => {
    const { folder } = await checkout([contract(), 'v1.0.0']);
    await rm(join(folder, '.git'), { recursive: true });
    expect(await checked(folder)).toMatchObject({ status: 0 });
  });
});

const BREACH = 'GET /v1/jobs: query parameter limit: / has another default: 50 became none (breaks v1.0.0)';

describe('[API-1] the check of the contract fails', () => {
  it('when a commit breaks the last release', async () => {
    const { folder } = await checkout([contract(), 'v1.0.0'], [narrower]);
    expect(await checked(folder)).toEqual({ status: 1, output: expect.stringContaining(BREACH) });
  });

  it('before the breach is committed', async () => {
    const { folder } = await checkout([contract(), 'v1.0.0']);
    await writeFile(join(folder, 'openapi/openapi.json'), narrower);
    expect(await checked(folder)).toEqual({ status: 1, output: expect.stringContaining(BREACH) });
  });

  it('when a release breaks the one before', async () => {
    const { folder } = await checkout([contract(), 'v1.0.0'], [narrower, 'v1.1.0']);
    expect(await checked(folder)).toEqual({ status: 1, output: expect.stringContaining(BREACH) });
  });

  it('when the linter finds a fault', async () => {
    const { folder } = await checkout([
      contract((document) => delete at(document, '/paths/~1v1~1jobs/post')['summary']),
    ]);
    expect(await checked(folder)).toEqual({
      status: 1,
      output: expect.stringContaining('(operation-summary)'),
    });
  });

  it('where the history is cut off, so that releases cannot be seen', async () => {
    const { folder, git } = await checkout([contract(), 'v1.0.0'], [contract()]);
    await git('clone', '--quiet', '--depth=1', `file://${folder}`, 'shallow');
    expect(await checked(join(folder, 'shallow'))).toEqual({
      status: 1,
      output: expect.stringContaining('git fetch --unshallow --tags'),
    });
  });
});
