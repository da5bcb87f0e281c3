import { hash } from 'node:crypto';
import { newestEntries, postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import {
  type Fault,
  type FaultKind,
  type Verification,
  verifyAuditLog,
} from '#src/application/audit/verify.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import type { Pool } from 'pg';
import { UsageError, defineCommand, defineGroup } from '../command.ts';
import { UUID } from '../uuid.ts';

export const command = defineGroup({
  verify: defineCommand({
    usage: ['[--expect HASH]'],
    examples: ['dragonfly audit verify --expect "$LAST_HASH"'],
    options: { expect: { type: 'string' } },
    permission: 'audit:verify',
    run: async ({ options: { expect }, environment }) => {
      if (expect !== undefined && !/^[0-9a-f]{64}$/.test(expect))
        throw new UsageError('--expect: the hash of a seal, 64 hexadecimal digits.');
      const found = await asOwner(environment, async (pool) => {
        const trail = postgresAuditTrail((statement) => query(pool, statement));
        return await verifyAuditLog({ trail, sha256: (text) => hash('sha256', text) }, expect);
      });
      const ok = found.faults.length === 0;
      return { text: toText(found), data: { ok, ...found }, status: ok ? 'pass' : 'fail' };
    },
  }),
  list: defineCommand({
    usage: ['[--organization ID] [--limit 1…1000]'],
    examples: ['dragonfly audit list --limit 20 --json'],
    options: { organization: { type: 'string' }, limit: { type: 'string', default: '100' } },
    permission: 'audit:verify',
    run: async ({ options: { organization, limit }, environment }) => {
      if (!/^(?:[1-9]\d{0,2}|1000)$/.test(limit)) throw new UsageError('--limit: 1 to 1000.');
      if (organization !== undefined && !UUID.test(organization))
        throw new UsageError('--organization: its id, a UUID, and not its name.');
      const entries = await asOwner(
        environment,
        async (pool) => await newestEntries(pool, organization, Number(limit)),
      );
      const text = entries
        .map(({ id, at, organization_id, actor, action, target, outcome, trace_id, detail }) =>
          [id, at, organization_id, actor, action, target, outcome, trace_id, JSON.stringify(detail)]
            .map((value) => value ?? '-')
            .join('\t'),
        )
        .join('\n');
      return { text, data: entries };
    },
  }),
});

const MEANING: Readonly<Record<FaultKind, string>> = {
  seal_missing: 'is missing',
  seal_changed: 'is not what was sealed',
  chain_broken: 'does not continue the one before',
  entry_missing: 'has entries that are missing',
  entry_changed: 'has entries that were changed',
  entry_sealed_twice: 'has entries that an earlier one has',
  entry_unsealed: 'entries that no seal has after 10 s',
  anchor_missing: 'no seal has the expected hash',
};
const MOST_SHOWN = 20;

function toText({ seals, entries, prunedThrough, head, faults }: Verification): string {
  const state = faults.length === 0 ? 'is what was sealed' : 'is not what was sealed';
  return [
    `The audit log ${state}: ${entries} entries in ${seals} seals.`,
    ...(prunedThrough === null
      ? []
      : [`Older ones are deleted by the retention, up to seal ${prunedThrough}.`]),
    ...(head === null ? [] : [`Last hash: ${head}`]),
    ...faults.map(faultText),
  ].join('\n');
}

function faultText({ kind, seal, entries }: Fault): string {
  const where = seal === null ? MEANING[kind] : `seal ${seal} ${MEANING[kind]}`;
  const shown = entries.slice(0, MOST_SHOWN).join(', ');
  const more = entries.length > MOST_SHOWN ? `, … (${entries.length} in all)` : '';
  return entries.length === 0 ? `${kind}: ${where}` : `${kind}: ${where}: ${shown}${more}`;
}

async function asOwner<T>(environment: Environment, work: (pool: Pool) => Promise<T>): Promise<T> {
  const config = loadConfig(['audit'], environment);
  const database = {
    url: config.DRAGONFLY_OWNER_DATABASE_URL,
    startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
  };
  return await withPool(database, 'dragonfly-audit', work);
}
