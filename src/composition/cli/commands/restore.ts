import { resolve } from 'node:path';
import { checkBackup, restore } from '#src/composition/backup.ts';
import { loadConfig } from '#src/config/load.ts';
import { UsageError, defineCommand } from '../command.ts';

const flag = { type: 'boolean', default: false } as const;

export const command = defineCommand({
  usage: ['--from DIRECTORY [--expect HASH] [--overwrite]', '--from DIRECTORY [--expect HASH] --check'],
  examples: [
    'dragonfly restore --from /backups/2026-11-27T0300 --expect "$MANIFEST_HASH"',
    'dragonfly restore --from /backups/2026-11-27T0300 --check',
  ],
  options: { from: { type: 'string' }, expect: { type: 'string' }, overwrite: flag, check: flag },
  permission: 'backups:restore',
  run: async ({ options: { from, expect, overwrite, check }, environment, progress }) => {
    if (!from) throw new UsageError('--from: the folder of a backup.');
    if (expect !== undefined && !/^[0-9a-f]{64}$/.test(expect))
      throw new UsageError('--expect: the hash of a manifest, 64 hexadecimal digits.');
    if (check && overwrite) throw new UsageError('--check only reads: it does not go with --overwrite.');
    const path = resolve(from);
    if (check) {
      const manifest = await checkBackup({ path, progress }, expect);
      return { text: `The backup of ${manifest.created_at} is whole.`, data: { manifest } };
    }
    const config = loadConfig(['restore'], environment);
    const database = {
      url: config.DRAGONFLY_OWNER_DATABASE_URL,
      startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
    };
    const { manifest, faults } = await restore({ path, database, progress }, { expect, overwrite });
    const text =
      faults.length === 0
        ? `Restored what was there at ${manifest.created_at}: every row, and the audit log to its seal. Next: dragonfly migrate up.`
        : ['Restored, and it is not what was backed up:', ...faults].join('\n');
    return { text, data: { faults, manifest }, status: faults.length === 0 ? 'pass' : 'fail' };
  },
});
