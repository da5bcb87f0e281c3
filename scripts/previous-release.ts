import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { git, lastRelease } from './releases.ts';

/**
 * Their lists are whole: the one knows each grant, the other fills each table and view that there is, and a release may add one.
 * That none of the grants is gone is looked at in their place.
 */
const CLOSED = new Set(['test/contract/sql/grants.test.ts', 'test/contract/sql/row-security.test.ts']);
const GRANTS = 'src/adapters/outbound/postgres/expected-grants.ts';
const NOT_CHECKED = 77;

/**
 * DATA-4: the contract tests of the release before, with its code, on the schema that the migrations of this checkout make. That
 * is what runs while a release goes out. Without a release before it ends with 77, and with 0 where `--unless-first` says that it
 * may be the first one. That is the last tag, or the commit of `--base`. Other arguments are vitest's, instead of all contract tests.
 */
const checkout = process.cwd();
const { values: options, positionals: chosen } = parseArgs({
  options: { 'unless-first': { type: 'boolean' }, base: { type: 'string' } },
  allowPositionals: true,
});

const release = options.base ?? (await previousRelease());
if (release !== undefined) process.exitCode = await check(release);
else {
  console.log('NOT CHECKED: there is no release before this one, whose contract tests could run.');
  if (!options['unless-first']) process.exitCode = NOT_CHECKED;
}

/** A release is compared with the one before it. */
async function previousRelease(): Promise<string | undefined> {
  const last = await lastRelease(checkout);
  const isHere = last !== undefined && (await commitOf(last)) === (await commitOf('HEAD'));
  return isHere ? await lastRelease(checkout, 'HEAD^') : last;
}

async function commitOf(name: string): Promise<string | undefined> {
  return await git(checkout, 'rev-parse', `${name}^{commit}`);
}

async function check(release: string): Promise<number> {
  if ((await commitOf(release)) === undefined)
    throw new Error(`This checkout lacks the release before, ${release}: git fetch origin ${release}`);
  const folder = mkdtempSync(join(tmpdir(), 'previous-release-'));
  try {
    const archive = join(folder, 'release.tar');
    execFileSync('git', ['archive', '--output', archive, release], { cwd: checkout });
    execFileSync('tar', ['-xf', archive, '-C', folder]);
    rmSync(archive);
    rmSync(join(folder, 'migrations'), { recursive: true, force: true });
    cpSync(join(checkout, 'migrations'), join(folder, 'migrations'), { recursive: true });
    const lost = await lostGrants(folder);
    for (const grant of lost) console.error(`${release} needs a grant that is gone: ${grant}`);
    bringPackages(folder);
    console.log(`The contract tests of ${release} on the migrations of this checkout:`);
    const tests = chosen.length > 0 ? chosen : contractTests(folder);
    const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
    const { status } = spawnSync(process.execPath, [vitest, 'run', ...tests], {
      cwd: folder,
      stdio: 'inherit',
    });
    return lost.length > 0 ? 1 : (status ?? 1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of what the release was granted; a function may have got more parameters. */
async function lostGrants(release: string): Promise<string[]> {
  const now = new Set(await grantsOf(checkout));
  return (await grantsOf(release)).filter((grant) => !now.has(grant));
}

async function grantsOf(root: string): Promise<string[]> {
  const { EXPECTED_GRANTS: grants } = (await import(pathToFileURL(join(root, GRANTS)).href)) as {
    readonly EXPECTED_GRANTS: readonly (readonly string[])[];
  };
  return grants.map((grant) => grant.join(' ').replace(/\(.*\)/, ''));
}

function contractTests(folder: string): string[] {
  const files = globSync('test/contract/**/*.test.ts', { cwd: folder });
  return files.filter((file) => !CLOSED.has(file));
}

function lockOf(root: string): string | undefined {
  const lock = join(root, 'package-lock.json');
  return existsSync(lock) ? readFileSync(lock, 'utf8') : undefined;
}

/** Those of the checkout where the release had the same. */
function bringPackages(folder: string): void {
  if (lockOf(folder) === lockOf(checkout))
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('npm', ['ci', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
}
