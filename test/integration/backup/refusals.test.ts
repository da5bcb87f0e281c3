import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Manifest } from '#src/application/backup/manifest.ts';
import { backUp } from '#src/composition/backup.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { libpqEnvironment } from '../../support/postgres-programs.ts';
import { type Installation, PROGRAMS, backupsFolder, installation } from './setup.ts';

interface Made {
  readonly path: string;
  readonly manifest_sha256: string;
  readonly manifest: Manifest;
}

const TWO_DAYS_AGO = new Date(Date.now() - 2 * 86_400_000);

describe.runIf(PROGRAMS)('[DATA-8] a backup', () => {
  const folder = backupsFolder();
  let source: Installation;
  let made: Made;
  let copies = 0;

  beforeAll(async () => {
    source = await installation();
    await source.run('migrate', 'up');
    await source.run('keys', 'create', '--organization', 'acme', '--name', 'a', '--role', 'admin');
    await source.sql(
      `select ops.queue_job('smoke.echo', '{"message": "a\\nb"}') from generate_series(1, 20)`,
    );
    made = (await source.run('backup', '--to', join(folder, 'made'))) as Made;
  }, 60_000);

  /** A copy of the backup to be spoiled. */
  const copy = (): { path: string; dump: string; manifest: string } => {
    const path = join(folder, `copy-${(copies += 1)}`);
    cpSync(made.path, path, { recursive: true });
    return { path, dump: join(path, 'database.dump'), manifest: join(path, 'manifest.json') };
  };
  const rewrite = (file: string, change: (manifest: Manifest) => object): void =>
    writeFileSync(file, JSON.stringify(Object.assign({}, made.manifest, change(made.manifest))));
  const check = async (path: string, ...more: string[]) =>
    await source.run('restore', '--from', path, '--check', ...more);

  it('says what it has: rows, roles, migrations, and the seal of the audit log', async () => {
    const { facts } = made.manifest;
    expect(facts.rows).toMatchObject({ 'public.api_key': 1, 'ops.ready': 20, 'ops.audit_log': 1 });
    expect(facts.roles).toEqual(
      expect.arrayContaining(['dragonfly_owner', 'dragonfly_api', 'dragonfly_worker', 'dragonfly_readonly']),
    );
    expect(facts.migrations.length).toBeGreaterThan(3);
    expect(await check(made.path, '--expect', made.manifest_sha256)).toMatchObject({
      manifest: { format: 1 },
    });
  });

  it.each<[string, RegExp, (at: ReturnType<typeof copy>) => void]>([
    ['has no manifest', /was not finished/, ({ manifest }) => rmSync(manifest)],
    ['has a manifest that is cut off', /no JSON/, ({ manifest }) => truncateSync(manifest, 100)],
    [
      'has a manifest of something else',
      /not one of a backup/,
      ({ manifest }) => writeFileSync(manifest, '{}'),
    ],
    ['has no dump', /has no dump/, ({ dump }) => rmSync(dump)],
    ['has a dump that is cut off', /not the one of the manifest/, ({ dump }) => truncateSync(dump, 1000)],
    [
      'has a dump in which a byte was changed',
      /not the one of the manifest/,
      ({ dump }) => {
        const bytes = readFileSync(dump);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        writeFileSync(dump, bytes);
      },
    ],
    [
      'promises more rows than it has',
      /public\.api_key: 1 instead of 2 rows/,
      ({ manifest }) =>
        rewrite(manifest, ({ facts }) => ({
          facts: { ...facts, rows: { ...facts.rows, 'public.api_key': 2 } },
        })),
    ],
    [
      'promises a table that it has not',
      /public\.more: not there instead of 1 rows/,
      ({ manifest }) =>
        rewrite(manifest, ({ facts }) => ({
          facts: { ...facts, rows: { ...facts.rows, 'public.more': 1 } },
        })),
    ],
    [
      'is another dump, with the manifest made to fit',
      /ops\.ready: not there instead of 20 rows/,
      ({ dump, manifest }) => {
        execFileSync(
          join(PROGRAMS?.client ?? '', 'pg_dump'),
          ['-Fc', '--exclude-table-data=ops.ready', `--file=${dump}`],
          {
            env: { ...libpqEnvironment(source.url), PGDATABASE: 'app' },
          },
        );
        const bytes = readFileSync(dump);
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        rewrite(manifest, () => ({ dump: { file: 'database.dump', bytes: bytes.length, sha256 } }));
      },
    ],
  ])('is refused when it %s', async (_, message, spoil) => {
    const spoiled = copy();
    spoil(spoiled);
    await expect(check(spoiled.path)).rejects.toThrow(message);
  });

  it('is refused when its manifest is not the expected one', async () => {
    const { path, manifest } = copy();
    rewrite(manifest, () => ({ created_at: '2026-01-01T00:00:00.000Z' }));
    await check(path);
    await expect(check(path, '--expect', made.manifest_sha256)).rejects.toThrow('not the expected one');
  });

  it('goes into no folder that has something in it', async () => {
    await expect(source.run('backup', '--to', made.path)).rejects.toThrow('is not empty');
  });

  it('leaves as many of its database beside it as are to be kept, and everything else', async () => {
    const shelf = join(folder, 'shelf');
    const shelve = (name: string, change: Partial<Manifest>): void => {
      cpSync(made.path, join(shelf, name), { recursive: true });
      rewrite(join(shelf, name, 'manifest.json'), () => change);
    };
    shelve('first', { created_at: '2026-01-01T00:00:00.000Z' });
    shelve('second', { created_at: '2026-01-02T00:00:00.000Z' });
    shelve('third', { created_at: '2026-01-03T00:00:00.000Z' });
    shelve('elsewhere', {
      created_at: '2025-01-01T00:00:00.000Z',
      facts: { ...made.manifest.facts, database: 'other' },
    });
    shelve('unfinished', {});
    rmSync(join(shelf, 'unfinished', 'manifest.json'));
    for (const name of ['killed', 'beside-something']) {
      shelve(name, {});
      rmSync(join(shelf, name, 'manifest.json'));
      utimesSync(join(shelf, name, 'database.dump'), TWO_DAYS_AGO, TWO_DAYS_AGO);
    }
    writeFileSync(join(shelf, 'beside-something', 'notes.txt'), 'of somebody');
    shelve('spoiled', {});
    truncateSync(join(shelf, 'spoiled', 'manifest.json'), 100);
    mkdirSync(join(shelf, 'notes'));
    writeFileSync(join(shelf, 'notes.txt'), 'of somebody');

    const { removed } = (await source.run('backup', '--to', join(shelf, 'new'), '--keep', '2')) as {
      removed: string[];
    };
    expect(removed).toEqual(['killed', 'first', 'second']);
    expect(readdirSync(shelf).toSorted()).toEqual(
      [
        'beside-something',
        'elsewhere',
        'new',
        'notes',
        'notes.txt',
        'spoiled',
        'third',
        'unfinished',
      ].toSorted(),
    );
    await check(join(shelf, 'third'));
  });

  it('removes no other when it fails, and leaves nothing of itself', async () => {
    const shelf = join(folder, 'shelf-of-failure');
    cpSync(made.path, join(shelf, 'before'), { recursive: true });
    await source.sql('alter role dragonfly_backup nobypassrls');
    await expect(source.run('backup', '--to', join(shelf, 'new'), '--keep', '1')).rejects.toThrow(
      'bypassrls',
    );
    await source.sql('alter role dragonfly_backup bypassrls');
    expect(readdirSync(shelf)).toEqual(['before']);
    await check(join(shelf, 'before'));
  });

  it('leaves nothing of itself when it is stopped', async () => {
    const path = join(folder, 'stopped');
    const url = source.environment['DRAGONFLY_BACKUP_DATABASE_URL'] ?? '';
    const stop = new AbortController();
    const progress = (text: string): void => {
      if (!text.startsWith('reading')) return;
      expect(existsSync(join(path, 'database.dump'))).toBe(true);
      stop.abort(new Error('stopped by SIGTERM'));
    };
    const work = backUp({ path, database: { url, startTimeoutMs: 5000 }, progress }, 'unknown', stop.signal);
    await expect(work).rejects.toThrow('stopped by SIGTERM');
    expect(existsSync(path)).toBe(false);
  });

  it.each(['0', '-1', 'all', ''])('is no backup with --keep %j', async (keep) => {
    const work = source.run('backup', '--to', join(folder, 'never'), `--keep=${keep}`);
    await expect(work).rejects.toThrow('--keep: how many');
  });

  it('is not made by a role that does not see all rows, and says how it would', async () => {
    await source.sql('alter role dragonfly_backup nobypassrls');
    await expect(source.run('backup', '--to', join(folder, 'blind'))).rejects.toThrow(
      'alter role dragonfly_backup bypassrls; grant pg_read_all_data to dragonfly_backup;',
    );
    await source.sql('alter role dragonfly_backup bypassrls');
    await source.sql('revoke pg_read_all_data from dragonfly_backup');
    await expect(source.run('backup', '--to', join(folder, 'blind2'))).rejects.toThrow(
      'does not see every row',
    );
    await source.sql('grant pg_read_all_data to dragonfly_backup');
  });

  it.each([
    `insert into ops.worker (id, type, status, last_seen_at) values ('x', 'x', 'running', now())`,
    'update public.api_key set revoked_at = null',
    'delete from ops.audit_log',
    `select ops.queue_job('smoke.echo', '{}')`,
    'create table public.mine ()',
    'create schema mine',
    'select lo_create(0)',
    'set role dragonfly_owner',
  ])('[SEC-12] is made by a role that can change and call nothing: %s', async (statement) => {
    const client = new Client({ connectionString: source.environment['DRAGONFLY_BACKUP_DATABASE_URL'] });
    await client.connect();
    try {
      await expect(client.query(statement)).rejects.toThrow('permission denied');
    } finally {
      await client.end();
    }
  });

  describe('restored', () => {
    let target: Installation;
    beforeAll(async () => {
      target = await installation();
    }, 60_000);
    const restore = async (path = made.path, ...more: string[]) =>
      await target.run('restore', '--from', path, ...more);
    const isEmpty = async (): Promise<boolean> =>
      (await target.sql(`select from pg_namespace where nspname in ('ops', 'migration')`)).length === 0;

    it.each<[string, RegExp, (manifest: Manifest) => object]>([
      [
        'of a newer PostgreSQL',
        /does not go into an older server/,
        ({ facts }) => ({ facts: { ...facts, server_version: 990_000 } }),
      ],
      [
        'that grants to a role that there is not',
        /lacks the roles nobody_here/,
        ({ facts }) => ({ facts: { ...facts, roles: ['nobody_here'] } }),
      ],
      [
        'of a release that this one does not know',
        /does not know 29990101000000_future/,
        ({ facts }) => ({
          facts: {
            ...facts,
            migrations: [...facts.migrations, { name: '29990101000000_future', sha256: '0'.repeat(64) }],
          },
        }),
      ],
    ])('is refused %s, and nothing is changed', async (_, message, change) => {
      const { path, manifest } = copy();
      rewrite(manifest, change);
      await expect(restore(path)).rejects.toThrow(message);
      expect(await isEmpty()).toBe(true);
    });

    it('is refused while somebody uses the database', async () => {
      const client = new Client({ connectionString: target.environment['DRAGONFLY_OWNER_DATABASE_URL'] });
      await client.connect();
      try {
        await expect(restore()).rejects.toThrow('1 other connections use the database');
      } finally {
        await client.end();
      }
    });

    it('leaves nothing of a restore that failed', async () => {
      // What the dump makes last, it cannot make: somebody has taken its name, and only a superuser sees that.
      await target.sql(
        `create function public.refuse() returns event_trigger language plpgsql as $$ begin raise 'refused'; end $$`,
      );
      await target.sql(
        `create event trigger refuse on ddl_command_end when tag in ('CREATE INDEX', 'CREATE TRIGGER') execute function public.refuse()`,
      );
      await expect(restore(made.path, '--overwrite')).rejects.toThrow('refused');
      expect(await isEmpty()).toBe(true);
      await target.sql('drop event trigger refuse; drop function public.refuse()');
    });

    it('is what it was, with its grants and its policies', async () => {
      await restore();
      expect(await target.run('roles')).toEqual(await source.run('roles'));
      const policies = 'select tablename, policyname, roles, qual from pg_policies order by 1, 2';
      expect(await target.sql(policies)).toEqual(await source.sql(policies));
      const forced = `select relname, relowner::regrole::text from pg_class where relforcerowsecurity order by 1`;
      expect(await target.sql(forced)).toEqual(await source.sql(forced));
    });

    it('goes into no database that is not empty, but with --overwrite', async () => {
      await target.sql(`select ops.queue_job('smoke.echo', '{}')`);
      await expect(restore()).rejects.toThrow(/is not empty: it has \d+ objects.*--overwrite/);
      expect(await target.sql('select from ops.ready')).toHaveLength(21);
      await restore(made.path, '--overwrite');
      expect(await target.sql('select from ops.ready')).toHaveLength(20);
    });
  });
});
