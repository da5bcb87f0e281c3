import { resolve } from 'node:path';
import { backUp, keepNewestBeside, removeUnfinishedBeside } from '#src/composition/backup.ts';
import { loadConfig } from '#src/config/load.ts';
import { UsageError, defineCommand } from '../command.ts';
import { untilSignalled } from '../until-signalled.ts';

export const command = defineCommand({
  usage: ['--to DIRECTORY [--keep COUNT]'],
  examples: ['dragonfly backup --to /backups/2026-11-27T0300 --keep 48'],
  options: {
    to: { type: 'string' },
    /** How many backups of this database stay beside it, with it, and none that was not finished; without, all. */
    keep: { type: 'string' },
  },
  permission: 'backups:write',
  run: async ({ options: { to, keep }, environment, progress }) => {
    if (!to) throw new UsageError('--to: a folder that is empty or not there yet.');
    if (keep !== undefined && !/^[1-9]\d{0,4}$/.test(keep))
      throw new UsageError('--keep: how many backups stay, 1 or more.');
    const config = loadConfig(['backup'], environment);
    const database = {
      url: config.DRAGONFLY_BACKUP_DATABASE_URL,
      startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
    };
    const path = resolve(to);
    // First, because a full volume may be what they died of.
    const unfinished = keep === undefined ? [] : await removeUnfinishedBeside(path);
    const { manifest, manifestSha256 } = await untilSignalled(
      (signal) => `The backup was stopped by ${signal}.`,
      async (signal) => await backUp({ path, database, progress }, config.DRAGONFLY_GIT_SHA, signal),
    );
    const { rows, audit_head } = manifest.facts;
    const old = keep === undefined ? [] : await keepNewestBeside(path, manifest.facts.database, Number(keep));
    const removed = [...unfinished, ...old];
    const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
    const text = [
      `${total} rows of ${Object.keys(rows).length} tables, ${manifest.dump.bytes} bytes, in ${path}`,
      `manifest: ${manifestSha256}`,
      `audit log: ${audit_head ?? 'no seal yet'}`,
      'Keep the two hashes elsewhere: `restore --expect` compares the first.',
      ...(removed.length > 0 ? [`removed: ${removed.join(', ')}`] : []),
    ].join('\n');
    return { text, data: { path, manifest_sha256: manifestSha256, manifest, removed } };
  },
});
