import type { Seal, StoredEntry } from '#src/application/audit/chain.ts';
import type { AuditTrail } from '#src/application/audit/verify.ts';
import type { Pool } from 'pg';
import { type Row, type SqlQuery, query } from './pool.ts';

const SEALS = 20;
const ENTRIES = 10_000;
/** Every entry has a seal after 10 s; a time in the future is no better. */
const DUE_SECONDS = 10;

const micros = (column: string): string => `(extract(epoch from ${column}) * 1000000)::bigint::text`;

/** Reads the tables, as their owner. */
export const postgresAuditTrail = (run: (query: SqlQuery) => Promise<Row[]>): AuditTrail => ({
  async pruned() {
    const [row] = await run({
      name: 'audit_pruned',
      text: `select coalesce(substring(detail ->> 'seal' from '^\\d{1,18}$'), '0') as seal, coalesce(detail ->> 'hash', '') as hash
          from ops.audit_log where action = 'audit.prune' order by id desc limit 1`,
      values: [],
    });
    return row && { seal: BigInt(row['seal'] as string), hash: row['hash'] as string };
  },

  async sealsAfter(seq) {
    const rows = await run({
      name: 'audit_seals_after',
      text: `select seq, ${micros('sealed_at')} as sealed_at, ids,
          array(select encode(d, 'hex') from unnest(digests) with ordinality u (d, n) order by n) as digests,
          encode(previous_hash, 'hex') as previous_hash, encode(hash, 'hex') as hash
        from ops.audit_seal where seq > $1 order by seq limit $2`,
      values: [seq, SEALS],
    });
    return rows.map(toSeal);
  },

  async entries(ids) {
    const rows = await run({
      name: 'audit_entries',
      text: `select id, array[id::text, ${micros('at')}, organization_id::text, actor, action, target, outcome, trace_id, detail::text]
          as fields from ops.audit_log where id = any ($1)`,
      values: [ids],
    });
    return rows.map((row): StoredEntry => ({
      id: BigInt(row['id'] as string),
      fields: row['fields'] as StoredEntry['fields'],
    }));
  },

  async entriesAfter(id) {
    const rows = await run({
      name: 'audit_entries_after',
      text: `select id, abs(extract(epoch from clock_timestamp() - at)) > $2 as due
          from ops.audit_log where id > $1 order by id limit $3`,
      values: [id, DUE_SECONDS, ENTRIES],
    });
    return rows.map((row) => ({ id: BigInt(row['id'] as string), due: row['due'] as boolean }));
  },
});

const toSeal = (row: Row): Seal => ({
  seq: BigInt(row['seq'] as string),
  sealedAt: row['sealed_at'] as string,
  ids: (row['ids'] as string[]).map(BigInt),
  digests: row['digests'] as string[],
  previousHash: row['previous_hash'] as string | null,
  hash: row['hash'] as string,
});

/** As an operator of the platform sees it. */
export interface ListedEntry {
  readonly id: string;
  readonly at: string;
  readonly organization_id: string | null;
  readonly actor: string;
  readonly action: string;
  readonly target: string | null;
  readonly outcome: string;
  readonly trace_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

const COLUMNS = 'id, at, organization_id, actor, action, target, outcome, trace_id, detail';

/** The newest entries, of all organisations and of none, or of one. As the owner of the tables. */
export async function newestEntries(
  pool: Pool,
  organizationId: string | undefined,
  limit: number,
): Promise<ListedEntry[]> {
  const rows = await query(
    pool,
    organizationId === undefined
      ? { text: `select ${COLUMNS} from ops.audit_log order by id desc limit $1`, values: [limit] }
      : {
          text: `select ${COLUMNS} from ops.audit_log where organization_id = $2 order by at desc, id desc limit $1`,
          values: [limit, organizationId],
        },
  );
  return rows as unknown as ListedEntry[];
}
