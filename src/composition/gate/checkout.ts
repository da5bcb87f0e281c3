import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Of what decides what a release is made of and what it promises. `migrations`: of all files, by name. */
export type CheckoutHashes = Readonly<
  Record<'package-lock.json' | 'openapi/openapi.json' | 'migrations', string>
>;

/** @throws Error when this is no checkout, as in the image */
export function refuseWithoutCheckout(root: string): void {
  if (existsSync(join(root, '.git')) && existsSync(join(root, 'package-lock.json'))) return;
  throw new Error('The gate runs the tests and the linters of a checkout, and this is none: run it in one.');
}

/** The full hash, with `-dirty` when files differ from it. */
export async function commitOf(root: string): Promise<string> {
  const describe = ['describe', '--always', '--abbrev=40', '--exclude', '*', '--dirty'];
  return (await run('git', describe, { cwd: root })).stdout.trim();
}

/** By which the gate finds it outside of a release. */
export async function hasReleaseTag(root: string, commit: string): Promise<boolean> {
  const tags = ['tag', '--list', 'v[0-9]*', '--merged', 'HEAD', '--format', '%(objectname) %(*objectname)'];
  return (await run('git', tags, { cwd: root })).stdout.includes(commit);
}

export function hashesOf(root: string): CheckoutHashes {
  const read = (path: string): Buffer => readFileSync(join(root, path));
  const migrations = createHash('sha256');
  for (const name of readdirSync(join(root, 'migrations'), {
    recursive: true,
    encoding: 'utf8',
  }).toSorted()) {
    if (!name.endsWith('.sql')) continue;
    migrations
      .update(`${name}\0`)
      .update(read(`migrations/${name}`))
      .update('\0');
  }
  return {
    'package-lock.json': sha256(read('package-lock.json')),
    'openapi/openapi.json': sha256(read('openapi/openapi.json')),
    migrations: migrations.digest('hex'),
  };
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
