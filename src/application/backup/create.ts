import { type Manifest, rowFaults } from './manifest.ts';
import type { BackupFolder, BackupSource, DumpPrograms } from './ports.ts';

interface Dependencies {
  readonly source: BackupSource;
  readonly programs: DumpPrograms;
  readonly folder: BackupFolder;
  readonly progress: (text: string) => void;
}

interface Occasion {
  readonly gitSha: string;
  readonly now: Date;
}

export interface Backup {
  readonly manifest: Manifest;
  /** To be kept elsewhere: who changes a backup can write a manifest that fits. */
  readonly manifestSha256: string;
}

/**
 * Dumps a database into a folder of its own, and counts what the dump holds. The manifest is of the very snapshot that is
 * dumped, and is written when all is there (DATA-8).
 *
 * @throws Error when the dump does not hold what the database held; nothing is left of it then
 */
export async function createBackup(dependencies: Dependencies, occasion: Occasion): Promise<Backup> {
  const { folder } = dependencies;
  await folder.claim();
  try {
    return await fill(dependencies, occasion);
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

async function fill(
  { source, programs, folder, progress }: Dependencies,
  { gitSha, now }: Occasion,
): Promise<Backup> {
  progress('counting rows …');
  return await source.inSnapshot(async (snapshot, facts) => {
    progress('dumping …');
    const program = await programs.dump(folder.dumpPath, snapshot);
    progress('reading the dump again …');
    const faults = rowFaults(facts.rows, await programs.countRows(folder.dumpPath));
    if (faults.length > 0) throw new Error(`The dump is not whole: ${faults.join('; ')}.`);
    const manifest: Manifest = {
      format: 1,
      created_at: now.toISOString(),
      git_sha: gitSha,
      program,
      dump: { file: 'database.dump', ...(await folder.measure()) },
      facts,
    };
    return { manifest, manifestSha256: await folder.writeManifest(manifest) };
  });
}
