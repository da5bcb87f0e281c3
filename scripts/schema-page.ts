import { Client } from 'pg';
import type { DatabaseUrls } from '#dev/database.ts';

const INTRODUCTION = `# Schema

What the migrations make, read from a migrated database. \`npm run generate\` writes this page; \`npm run check\` fails when it is stale
(DATA-3). Why it is so is in the [migrations](../../migrations) and, of the queue, in [its guide](../architecture/queue.md); who may do
what in [grants](grants.md). Tables are the owner's: everybody else reaches them through views and functions (SEC-12). Partitions,
which the service makes and drops, are left out.
`;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly byDefault: string | null;
  readonly comment: string | null;
}

interface Relation {
  readonly name: string;
  readonly kind: 'table' | 'view';
  readonly comment: string | null;
  readonly partitionedBy: string | null;
  readonly columns: readonly Column[];
  /** Definitions. */
  readonly constraints: readonly string[];
  readonly indexes: readonly string[];
  readonly policies: readonly string[];
  readonly triggers: readonly string[];
}

interface Routine {
  readonly name: string;
  readonly arguments: string;
  readonly result: string;
  readonly definer: boolean;
  readonly volatility: string;
  readonly comment: string | null;
}

const RELATIONS = `
  select c.oid::regclass::text as name, case c.relkind when 'v' then 'view' else 'table' end as kind, obj_description(c.oid, 'pg_class') as comment,
         pg_get_partkeydef(c.oid) as "partitionedBy",
         (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
                    'byDefault', case a.attidentity when '' then pg_get_expr(d.adbin, d.adrelid) else 'identity' end,
                    'comment', col_description(c.oid, a.attnum)) order by a.attnum)
            from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
         array(select pg_get_constraintdef(k.oid) from pg_constraint k
                where k.conrelid = c.oid and k.contype <> 'n' order by k.contype <> 'p', k.conname collate "C") as constraints,
         array(select format('%s: %s', i.indexrelid::regclass, regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX .* USING ', '\\1'))
                 from pg_index i where i.indrelid = c.oid and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
                order by i.indexrelid::regclass::text collate "C") as indexes,
         array(select format('%s, for %s: %s', p.policyname, lower(p.cmd), coalesce(p.qual, p.with_check)) from pg_policies p
                where p.schemaname = s.nspname and p.tablename = c.relname order by p.policyname collate "C") as policies,
         array(select regexp_replace(pg_get_triggerdef(t.oid), '^CREATE (CONSTRAINT )?TRIGGER ', '') from pg_trigger t
                where t.tgrelid = c.oid and not t.tgisinternal order by t.tgname collate "C") as triggers
    from pg_class c join pg_namespace s on s.oid = c.relnamespace
   where s.nspname in ('ops', 'public') and c.relkind in ('r', 'p', 'v') and not c.relispartition
   order by s.nspname collate "C", c.relname collate "C"`;

const ROUTINES = `
  select p.oid::regproc::text as name, pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
         p.prosecdef as definer, case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
         obj_description(p.oid, 'pg_proc') as comment
    from pg_proc p where p.pronamespace in ('ops'::regnamespace, 'public'::regnamespace)
   order by p.proname collate "C", p.oid::regprocedure::text collate "C"`;

const ENUMS = `
  select enumtypid::regtype::text as name, array_agg(enumlabel::text order by enumsortorder) as labels from pg_enum group by 1 order by 1`;

export async function renderSchemaPage({ owner }: DatabaseUrls): Promise<string> {
  const client = new Client({ connectionString: owner });
  await client.connect();
  try {
    await client.query('set search_path = pg_catalog');
    const { rows: relations } = await client.query<Relation>(RELATIONS);
    const { rows: routines } = await client.query<Routine>(ROUTINES);
    const { rows: enums } = await client.query<{ name: string; labels: string[] }>(ENUMS);
    const [tables, views] = [ofKind(relations, 'table'), ofKind(relations, 'view')];
    return [
      INTRODUCTION,
      ...sections('Tables', tables),
      ...sections('Views', views),
      '## Types\n',
      ...enums.map(({ name, labels }) => `- ${code(name)}: ${labels.map(code).join(', ')}`),
      '\n## Functions\n',
      ...routines.map(routineItem),
      '',
    ].join('\n');
  } finally {
    await client.end();
  }
}

const ofKind = (relations: readonly Relation[], kind: Relation['kind']): Relation[] =>
  relations.filter((relation) => relation.kind === kind);

const code = (text: string): string => `\`${text.replaceAll(/\s+/g, ' ')}\``;

const sections = (title: string, relations: readonly Relation[]): string[] => [
  `## ${title}\n`,
  ...relations.map(sectionOf),
];

function sectionOf({ name, comment, partitionedBy, columns, ...rest }: Relation): string {
  const [head, line] = columns.some((column) => column.comment !== null)
    ? [' comment |', ' --- |']
    : ['', ''];
  const row = ({ name: column, type, notNull, byDefault, comment: said }: Column): string =>
    `| ${column} | ${code(type)} | ${notNull ? 'no' : 'yes'} | ${byDefault === null ? '' : code(byDefault)} |${
      head === '' ? '' : ` ${said ?? ''} |`
    }`;
  return [
    `### ${name}\n`,
    ...(comment === null ? [] : [`${comment}\n`]),
    ...(partitionedBy === null ? [] : [`Partitioned by ${code(partitionedBy)}.\n`]),
    `| column | type | null | default |${head}`,
    `| --- | --- | --- | --- |${line}`,
    ...columns.map(row),
    '',
    ...list('Constraints', rest.constraints),
    ...list('Indexes', rest.indexes),
    ...list('Policies', rest.policies),
    ...list('Triggers', rest.triggers),
  ].join('\n');
}

const list = (title: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`${title}:\n`, ...items.map((item) => `- ${code(item)}`), ''];

function routineItem(routine: Routine): string {
  const signature = `${code(`${routine.name}(${routine.arguments})`)} → ${code(routine.result)}`;
  const how = `${routine.definer ? 'as the owner' : 'as the caller'}, ${routine.volatility}.`;
  return `- ${signature}, ${how}${routine.comment === null ? '' : ` ${routine.comment}`}`;
}
