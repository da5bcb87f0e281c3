import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findDumpPrograms } from '#src/adapters/outbound/postgres/dump-programs.ts';

const root = mkdtempSync(join(tmpdir(), 'programs-'));
afterAll(() => rmSync(root, { recursive: true }));

function install(version: string, ...names: string[]): void {
  mkdirSync(join(root, version), { recursive: true });
  for (const name of names) {
    const file = join(root, version, name);
    writeFileSync(file, `#!/bin/sh\necho '${name} (PostgreSQL) ${version}.3 (Debian ${version}.3-1)'\n`);
    chmodSync(file, 0o755);
  }
}
for (const version of ['15', '17', '18']) install(version, 'pg_dump', 'pg_restore');
install('16', 'pg_dump');

const found = async (serverVersion?: number): Promise<string> =>
  await findDumpPrograms(serverVersion, [`${root}/*`]);

describe('[DATA-8] the programs for a backup', () => {
  it.each([
    ['those of the server', 170_004, '17'],
    ['those of the next version where there are not both', 160_002, '17'],
    ['the newest where there is no server', undefined, '18'],
  ])('are %s', async (_, server, version) => {
    expect(await found(server)).toBe(join(root, version));
  });

  it('that are not there are named, with how to install them', async () => {
    await expect(found(190_000)).rejects.toThrow(
      /of PostgreSQL 19 or newer are needed, and here are only those of 15, 17, 18\..*postgresql-client-19/,
    );
    await expect(findDumpPrograms(180_000, [])).rejects.toThrow('docker build --target operator');
  });
});
