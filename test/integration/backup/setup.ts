import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDistribution } from '#dev/servers/postgres-distribution.ts';
import { findDumpPrograms } from '#src/adapters/outbound/postgres/dump-programs.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import type { Environment } from '#src/config/load.ts';
import { Client } from 'pg';
import { afterAll } from 'vitest';
import { asAdmin } from '../../support/cluster.ts';
import { type OwnCluster, ownCluster } from '../../support/own-cluster.ts';
import { ifRequired } from '../../support/postgres-programs.ts';

/** Folders of programs of one version, or of a newer client; CI installs them (.ci/servers). */
interface Programs {
  readonly server: string;
  readonly client: string;
}

/** Of the PostgreSQL that the other tests use: the one that they start, or the system's. */
export const PROGRAMS = await findPrograms().catch(ifRequired);

async function findPrograms(): Promise<Programs> {
  const distribution = process.env['TEST_DATABASE_URL'] === undefined ? findDistribution() : undefined;
  if (distribution) {
    const client = await findDumpPrograms(Number.parseInt(distribution.version, 10) * 10_000);
    return { server: join(distribution.directory, 'bin'), client };
  }
  const system = await findDumpPrograms(0, ['/usr/lib/postgresql/*/bin']);
  return { server: system, client: system };
}

export interface Installation extends OwnCluster {
  readonly environment: Environment;
  /** A command of ours. @returns what it prints with `--json` @throws what it throws, Error when it failed */
  run(...args: string[]): Promise<unknown>;
  /** As the superuser, in the database. */
  sql<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

const ROLES = ['owner', 'api', 'worker', 'backup'] as const;
const PASSWORDS = Object.fromEntries(ROLES.map((role) => [role, randomBytes(24).toString('base64url')]));

/** A new server with these settings, with roles and a database, and nothing in it. */
export async function installation(settings: readonly string[] = []): Promise<Installation> {
  const cluster = await ownCluster(PROGRAMS?.server ?? '', settings);
  const urlAs = (role: (typeof ROLES)[number]): string => {
    const url = new URL(cluster.url);
    return Object.assign(url, {
      username: `dragonfly_${role}`,
      password: PASSWORDS[role] ?? '',
      pathname: '/app',
    }).href;
  };
  const environment = {
    DRAGONFLY_ENV: 'dev',
    DRAGONFLY_ADMIN_DATABASE_URL: cluster.url,
    DRAGONFLY_OWNER_DATABASE_URL: urlAs('owner'),
    DRAGONFLY_API_DATABASE_URL: urlAs('api'),
    DRAGONFLY_WORKER_DATABASE_URL: urlAs('worker'),
    DRAGONFLY_BACKUP_DATABASE_URL: urlAs('backup'),
  };
  const run = async (...args: string[]): Promise<unknown> => {
    const { output, code } = await invoke([...args, '--json'], environment);
    if (code !== 0) throw new Error(output);
    return JSON.parse(output);
  };
  await run('roles');
  await asAdmin(cluster.url, async (client) => {
    await client.query(
      `create role dragonfly_backup login bypassrls password '${PASSWORDS['backup'] ?? ''}' in role pg_read_all_data`,
    );
    await client.query('grant connect on database app to dragonfly_backup');
  });
  return {
    ...cluster,
    environment,
    run,
    async sql<Row>(text: string, values: readonly unknown[] = []) {
      const client = new Client({ connectionString: cluster.url.replace(/postgres$/, 'app') });
      await client.connect();
      try {
        return (await client.query(text, [...values])).rows as Row[];
      } finally {
        await client.end();
      }
    },
  };
}

/** For backups; gone after the file's last test. */
export function backupsFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backups-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}
