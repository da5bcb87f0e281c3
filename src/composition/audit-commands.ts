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
import { type Command, FailedCheck, UUID, UsageError, parse } from './command-line.ts';

const USAGE = `Usage: dragonfly audit verify [--expect HASH] [--json]
       dragonfly audit list [--organization ID] [--limit 1…1000] [--json]`;

export const audit: Command = async ([action, ...args], environment) => {
  if (action === 'verify') return await verify(args, environment);
  if (action === 'list') return await list(args, environment);
  throw new UsageError(USAGE);
};

async function verify(args: string[], environment: Environment): Promise<string> {
  const { expect, json } = parse(USAGE, args, { expect: { type: 'string' }, json: { type: 'boolean' } });
  if (expect !== undefined && !/^[0-9a-f]{64}$/.test(expect)) throw new UsageError(USAGE);
  const found = await asOwner(environment, async (pool) => {
    const trail = postgresAuditTrail((statement) => query(pool, statement));
    return await verifyAuditLog({ trail, sha256: (text) => hash('sha256', text) }, expect);
  });
  const text = json ? toJson(found) : toText(found);
  if (found.faults.length > 0) throw new FailedCheck(text);
  return text;
}

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

function toText({ seals, entries, head, faults }: Verification): string {
  const state = faults.length === 0 ? 'is what was sealed' : 'is not what was sealed';
  return [
    `The audit log ${state}: ${entries} entries in ${seals} seals.`,
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

const toJson = ({ faults, ...found }: Verification): string =>
  JSON.stringify({ ok: faults.length === 0, ...found, faults }, (_key, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );

async function list(args: string[], environment: Environment): Promise<string> {
  const { organization, limit, json } = parse(USAGE, args, {
    organization: { type: 'string' },
    limit: { type: 'string', default: '100' },
    json: { type: 'boolean' },
  });
  if (!/^(?:[1-9]\d{0,2}|1000)$/.test(limit)) throw new UsageError(USAGE);
  if (organization !== undefined && !UUID.test(organization)) throw new UsageError(USAGE);
  const entries = await asOwner(
    environment,
    async (pool) => await newestEntries(pool, organization, Number(limit)),
  );
  if (json) return JSON.stringify(entries);
  return entries
    .map(({ id, at, organization_id, actor, action, target, outcome, trace_id, detail }) =>
      [id, at, organization_id, actor, action, target, outcome, trace_id, JSON.stringify(detail)]
        .map((value) => value ?? '-')
        .join('\t'),
    )
    .join('\n');
}

async function asOwner<T>(environment: Environment, work: (pool: Pool) => Promise<T>): Promise<T> {
  const config = loadConfig(['audit'], environment);
  const database = {
    url: config.DRAGONFLY_OWNER_DATABASE_URL,
    startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
  };
  return await withPool(database, 'dragonfly-audit', work);
}
