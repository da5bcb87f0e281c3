import type { AlterTableCmd, ColumnDef } from 'libpg-query';
import { objectName, qualifiedName, relationName, stringOf, within } from '../objects.ts';
import { as } from '../statement.ts';
import { commands, partitionsOf } from './locks.ts';
import type { Rule } from './rule.ts';

/** Evaluated once for all rows. Any other function may differ from row to row. */
const ONCE_A_STATEMENT = new Set(
  ['now', 'transaction_timestamp', 'statement_timestamp', 'current_setting'].flatMap((name) => [
    name,
    `pg_catalog.${name}`,
  ]),
);
const REWRITES: ReadonlyMap<string, string> = new Map([
  ['AT_SetLogged', 'set logged'],
  ['AT_SetUnLogged', 'set unlogged'],
  ['AT_SetAccessMethod', 'set access method'],
  ['AT_SetTableSpace', 'set tablespace'],
  ['AT_SetExpression', 'set expression'],
]);

export const rewrite: Rule = ({ node }, world) => {
  if (as(node, 'ClusterStmt')) return ['writes the whole table anew, and nobody can use it meanwhile.'];
  const vacuum = as(node, 'VacuumStmt');
  if (within(vacuum?.options, 'DefElem').some(({ defname }) => defname === 'full'))
    return ['writes the whole table anew, and nobody can use it meanwhile.'];
  if (as(node, 'AlterTableMoveAllStmt'))
    return ['moves tables that it does not name, and nobody can use them meanwhile.'];
  const alter = as(node, 'AlterTableStmt');
  if (!alter || world.isNew(relationName(alter.relation))) return [];
  const table = relationName(alter.relation);
  return commands(alter.cmds).flatMap((command) => {
    const why = rewrittenBy(command);
    return why === undefined
      ? []
      : [
          `${why} writes all of ${table} anew, and nobody can use it meanwhile: add a column, fill it in batches, and change over (expand, contract).`,
        ];
  });
};

function rewrittenBy({ subtype = 'AT_AddColumn', name = '', def }: AlterTableCmd): string | undefined {
  if (subtype === 'AT_AlterColumnType') return `a new type of ${name}`;
  if (subtype !== 'AT_AddColumn') return REWRITES.get(subtype);
  const column = as(def, 'ColumnDef');
  if (!column) return undefined;
  const constraints = within(column.constraints, 'Constraint');
  const type = stringOf(column.typeName?.names?.at(-1));
  if (/serial/.test(type) || constraints.some(({ contype }) => contype === 'CONSTR_IDENTITY'))
    return `a number for each row of ${column.colname}`;
  if (constraints.some(({ contype, generated_kind: kind }) => contype === 'CONSTR_GENERATED' && kind !== 'v'))
    return `the generated column ${column.colname}`;
  const calls = constraints
    .filter(({ contype }) => contype === 'CONSTR_DEFAULT')
    .flatMap(({ raw_expr: expression }) => within(expression, 'FuncCall'))
    .map(({ funcname }) => (funcname ?? []).map(stringOf).join('.'));
  const volatile = calls.find((call) => !ONCE_A_STATEMENT.has(call));
  return volatile && `the default ${volatile}() of ${column.colname}`;
}

const CHECKED = new Set(['CONSTR_CHECK', 'CONSTR_FOREIGN', 'CONSTR_NOTNULL']);

export const validation: Rule = ({ node }, world) => {
  const domain = as(node, 'AlterDomainStmt');
  const isChecked = domain?.subtype === 'C' && !as(domain.def, 'Constraint')?.skip_validation;
  if (domain && (isChecked || domain.subtype === 'O'))
    return world.isNew(qualifiedName(domain.typeName))
      ? []
      : ['reads every row under a lock: add it not valid, and validate it in a later migration.'];
  const alter = as(node, 'AlterTableStmt');
  const attached = commands(alter?.cmds)
    .filter(({ subtype }) => subtype === 'AT_AttachPartition')
    .flatMap(({ def }) => partitionsOf(def && [def]).map(relationName))
    .filter((name) => !world.isNew(name))
    .map(
      (name) =>
        `reads all of ${name} under a lock: attach a table that is new, and move the rows in batches.`,
    );
  if (!alter || world.isNew(relationName(alter.relation))) return attached;
  return commands(alter.cmds).flatMap((command) => unvalidated(command, relationName(alter.relation)));
};

function unvalidated({ subtype, name = '', def }: AlterTableCmd, table: string): string[] {
  const later = 'not valid, and validate it in a later migration.';
  if (subtype === 'AT_SetNotNull')
    return [`reads all of ${table} under a lock: add constraint … check (${name} is not null) ${later}`];
  const constraint = as(def, 'Constraint');
  if (CHECKED.has(constraint?.contype ?? '') && !constraint?.skip_validation)
    return [`reads all of ${table} under a lock: add the constraint ${later}`];
  const column = as(def, 'ColumnDef');
  return column ? unvalidatedColumn(column, table, later) : [];
}

function unvalidatedColumn(column: ColumnDef, table: string, later: string): string[] {
  const types = within(column.constraints, 'Constraint').map(({ contype }) => contype);
  const isFilled = types.some((type) => /DEFAULT|IDENTITY|GENERATED/.test(type ?? ''));
  if (types.includes('CONSTR_NOTNULL') && !isFilled)
    return [
      `fails when ${table} has a row, and the release before does not fill ${column.colname}: give it a default, or let it be null.`,
    ];
  return types.some((type) => type === 'CONSTR_CHECK' || type === 'CONSTR_FOREIGN')
    ? [`reads all of ${table} under a lock: add the column first, and its constraint ${later}`]
    : [];
}

const DEPENDED_ON = new Set(
  [
    'TABLE',
    'VIEW',
    'MATVIEW',
    'FUNCTION',
    'PROCEDURE',
    'ROUTINE',
    'SCHEMA',
    'TYPE',
    'DOMAIN',
    'SEQUENCE',
    'EXTENSION',
  ].map((type) => `OBJECT_${type}`),
);

/** DATA-4: while a release goes out, the one before it runs on the new schema. */
export const breaksPrevious: Rule = ({ node }, world) => {
  const advice =
    'the release before still uses it: stop using it in one release, and take it away in a later one.';
  if (as(node, 'DropOwnedStmt')) return [`drops what it does not name, and ${advice}`];
  const drop = as(node, 'DropStmt');
  if (drop && DEPENDED_ON.has(drop.removeType ?? '')) {
    const names = (drop.objects ?? []).map(objectName).filter((name) => !world.isNew(name));
    return names.map((name) => `drops ${name}, and ${advice}`);
  }
  const rename = as(node, 'RenameStmt') ?? as(node, 'AlterObjectSchemaStmt');
  if (rename) {
    const name = rename.relation
      ? relationName(rename.relation)
      : rename.object
        ? objectName(rename.object)
        : '';
    const isIndex = 'renameType' in rename && rename.renameType === 'OBJECT_INDEX';
    return world.isNew(name) || isIndex ? [] : [`renames ${name}, and ${advice}`];
  }
  const alter = as(node, 'AlterTableStmt');
  if (!alter || world.isNew(relationName(alter.relation))) return [];
  return commands(alter.cmds)
    .filter(({ subtype }) => subtype === 'AT_DropColumn')
    .map(({ name }) => `drops ${relationName(alter.relation)}.${name}, and ${advice}`);
};
