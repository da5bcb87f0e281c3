import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Distribution } from './postgres-distribution.ts';
import type { Placement } from './server.ts';
import { giveAway, unprivileged } from './unprivileged.ts';

export const SUPERUSER = 'postgres';
export const ENVIRONMENT = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };

/** The superuser's random password, kept beside the data and readable by the server's user only. */
export function superuserPassword(directory: string): string {
  const file = join(directory, 'password');
  if (!existsSync(file)) {
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
    giveAway(file);
  }
  return readFileSync(file, 'utf8');
}

/** Makes the data folder, if it is missing, beside its place and then renames it: an interrupted initdb is repeated. */
export async function createCluster(
  distribution: Distribution,
  { directory, forTests = false }: Placement,
): Promise<void> {
  if (existsSync(join(directory, 'data'))) return;
  const partial = join(directory, 'data.partial');
  rmSync(partial, { recursive: true, force: true });
  const args = [
    `--pgdata=${partial}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${join(directory, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(forTests ? ['--no-sync'] : []),
  ];
  const program = join(distribution.directory, 'bin', 'initdb');
  const initdb = spawn(program, args, {
    ...unprivileged,
    cwd: directory,
    env: ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  initdb.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    initdb.once('error', reject);
    initdb.once('close', resolve);
  });
  if (code !== 0) throw new Error(`initdb failed: ${errors.trim()}`);
  renameSync(partial, join(directory, 'data'));
}
