import type { RelationSize } from '#src/application/migrations/impact.ts';
import type { Row, SqlQuery } from './pool.ts';

/** Of those that are there, with all partitions; as `analyze` and the file system have it, without a look at the rows. */
export async function relationSizes(
  run: (query: SqlQuery) => Promise<Row[]>,
  relations: readonly string[],
): Promise<RelationSize[]> {
  const rows = await run({
    text: `select wanted.name as relation, format('%s.%s', n.nspname, t.relname) as table_name, size.rows, size.bytes
             from unnest($1::text[]) as wanted(name)
             join pg_class c on c.oid = to_regclass(wanted.name)
             left join pg_index i on i.indexrelid = c.oid
             join pg_class t on t.oid = coalesce(i.indrelid, c.oid)
             join pg_namespace n on n.oid = t.relnamespace
             cross join lateral (
               select sum(nullif(part.reltuples, -1)::float8) as rows,
                      coalesce(sum(pg_total_relation_size(part.oid)), 0)::float8 as bytes
                 from (select t.oid union select relid from pg_partition_tree(t.oid)) as tree(oid)
                 join pg_class part on part.oid = tree.oid and part.relkind <> 'p'
             ) size`,
    values: [relations],
  });
  return rows.map((row) => ({
    relation: row['relation'] as string,
    table: row['table_name'] as string,
    rows: row['rows'] as number | null,
    bytes: row['bytes'] as number,
  }));
}
