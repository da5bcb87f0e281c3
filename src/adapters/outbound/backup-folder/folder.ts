import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, mkdir, open, readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { manifest } from '#src/application/backup/manifest.ts';
import type {
  BackupFolder,
  BackupShelf,
  ShelvedBackup,
  UnfinishedBackup,
} from '#src/application/backup/ports.ts';

const MANIFEST = 'manifest.json';
const DUMP = 'database.dump';
const OWNER_ONLY = { folder: 0o700, file: 0o600 } as const;

const sha256 = (text: Buffer): string => createHash('sha256').update(text).digest('hex');

/** A backup on a file system. What is in it is as secret as the database. */
export function backupFolder(path: string): BackupFolder {
  const dumpPath = join(path, DUMP);
  return {
    dumpPath,

    async claim() {
      await mkdir(path, { recursive: true, mode: OWNER_ONLY.folder });
      if ((await readdir(path)).length > 0)
        throw new Error(`${path} is not empty: a backup goes into a folder of its own.`);
    },

    async discard() {
      await rm(path, { recursive: true, force: true });
    },

    async measure() {
      const hash = createHash('sha256');
      await pipeline(createReadStream(dumpPath), hash).catch((error: unknown) => {
        throw new Error(`The backup has no dump: ${dumpPath} cannot be read.`, { cause: error });
      });
      return { bytes: (await stat(dumpPath)).size, sha256: hash.digest('hex') };
    },

    async writeManifest(content) {
      const text = Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
      await using file = await open(join(path, MANIFEST), 'wx', OWNER_ONLY.file);
      await file.writeFile(text);
      await file.sync();
      return sha256(text);
    },

    async readManifest() {
      const text = await readFile(join(path, MANIFEST)).catch((error: unknown) => {
        throw new Error(
          `${path} has no manifest that can be read: it is no backup, or one that was not finished.`,
          {
            cause: error,
          },
        );
      });
      try {
        return { content: JSON.parse(text.toString('utf8')) as unknown, sha256: sha256(text) };
      } catch (error) {
        throw new Error('The manifest is no JSON.', { cause: error });
      }
    },
  };
}

/** The folders in a folder that are backups, and no others. */
export const backupShelf = (path: string): BackupShelf => ({
  async list() {
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return (await Promise.all(names.map(async (name) => await shelved(path, name)))).flat();
  },

  async listUnfinished() {
    const found: UnfinishedBackup[] = [];
    for await (const file of glob(`*/${DUMP}`, { cwd: path })) {
      const name = dirname(file);
      if ((await readdir(join(path, name))).length > 1) continue;
      found.push({ name, writtenAt: (await stat(join(path, file))).mtime });
    }
    return found;
  },

  /** The manifest first: what is left when this is interrupted is no backup any more. */
  async remove(name) {
    await rm(join(path, name, MANIFEST), { force: true });
    await rm(join(path, name), { recursive: true });
  },
});

async function shelved(path: string, name: string): Promise<ShelvedBackup[]> {
  try {
    const content: unknown = JSON.parse(await readFile(join(path, name, MANIFEST), 'utf8'));
    return [{ name, manifest: manifest.parse(content) }];
  } catch {
    return []; // Something else, or a backup that was not finished.
  }
}
