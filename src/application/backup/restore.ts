import { z } from 'zod';
import { type Manifest, manifest as schema, rowFaults, versionText } from './manifest.ts';
import type { BackupFolder, DumpPrograms, RestoreTarget, TargetState } from './ports.ts';

interface Reading {
  readonly folder: BackupFolder;
  readonly programs: Pick<DumpPrograms, 'countRows'>;
  readonly progress: (text: string) => void;
}

interface Restoring extends Reading {
  readonly programs: DumpPrograms;
  readonly target: RestoreTarget;
}

export interface RestoreOptions {
  /** SHA-256 of the manifest, as the backup said it. */
  readonly expect?: string | undefined;
  /** Drops what the database holds. */
  readonly overwrite: boolean;
  /** What this build can work with. */
  readonly knownMigrations: readonly string[];
}

/** @throws Error when the backup is not the whole one that was made */
export async function verifyBackup(
  { folder, programs, progress }: Reading,
  expect?: string,
): Promise<Manifest> {
  const { content, sha256 } = await folder.readManifest();
  if (expect !== undefined && sha256 !== expect)
    throw new Error(`The manifest is not the expected one: its SHA-256 is ${sha256}.`);
  const { data, error } = schema.safeParse(content);
  if (error) throw new Error(`The manifest is not one of a backup: ${z.prettifyError(error)}`);
  progress('reading the dump …');
  const { bytes, sha256: found } = await folder.measure();
  if (bytes !== data.dump.bytes || found !== data.dump.sha256)
    throw new Error(`The dump is not the one of the manifest: ${bytes} bytes, SHA-256 ${found}.`);
  const faults = rowFaults(data.facts.rows, await programs.countRows(folder.dumpPath));
  if (faults.length > 0) throw new Error(`The dump is not whole: ${faults.join('; ')}.`);
  return data;
}

/**
 * Fills a database from a backup, and looks whether it is what was backed up (DATA-8). Nothing is changed before everything that
 * can be known before is known.
 *
 * @returns what is not as it was; nothing, as a rule
 * @throws Error when it does not begin, or when nothing of it was kept
 */
export async function restoreBackup(
  { target, ...reading }: Restoring,
  { expect, overwrite, knownMigrations }: RestoreOptions,
): Promise<{ readonly manifest: Manifest; readonly faults: readonly string[] }> {
  const { folder, programs, progress } = reading;
  const manifest = await verifyBackup(reading, expect);
  const { facts } = manifest;
  const unknown = facts.migrations.map(({ name }) => name).filter((name) => !knownMigrations.includes(name));
  if (unknown.length > 0)
    throw new Error(
      `This build does not know ${unknown.join(', ')}: restore with the release of the backup, ${manifest.git_sha}.`,
    );
  refuseTarget(await target.state(facts.roles), manifest, overwrite);

  if (overwrite) await target.empty();
  progress('restoring …');
  await programs.restore(folder.dumpPath);
  progress('counting rows …');
  const rows = rowFaults(facts.rows, await target.settle());
  progress('verifying the audit log …');
  return { manifest, faults: [...rows, ...(await target.auditFaults(facts.audit_head))] };
}

const major = (version: number): number => Math.floor(version / 10_000);

function refuseTarget(state: TargetState, { facts }: Manifest, overwrite: boolean): void {
  if (major(state.serverVersion) < major(facts.server_version))
    throw new Error(
      `The backup is of PostgreSQL ${versionText(facts.server_version)}, and the server is ${versionText(state.serverVersion)}: a newer dump does not go into an older server.`,
    );
  if (state.missingRoles.length > 0)
    throw new Error(
      `The server lacks the roles ${state.missingRoles.join(', ')}, to whom the backup grants: run \`dragonfly roles\` first.`,
    );
  if (state.sessions > 0)
    throw new Error(
      `${state.sessions} other connections use the database: stop api, worker and whoever looks.`,
    );
  if (state.objects > 0 && !overwrite)
    throw new Error(
      `The database is not empty: it has ${state.objects} objects. Restore into a new one, or drop all of them with --overwrite.`,
    );
}
