import type { AlterTableCmd, Node, RangeVar } from 'libpg-query';
import { type Lock, type LockMode, strongest } from '#src/application/migrations/impact.ts';
import { qualifiedName, relationName, within } from './objects.ts';
import { commands, droppedFrom, isConcurrent } from './rules/locks.ts';
import { type Statement, as } from './statement.ts';

/**
 * The locks that a statement takes on the relations that it names, the strongest on each, as "Explicit Locking" and the pages of
 * the commands in PostgreSQL's manual have them; weaker than `ROW EXCLUSIVE` none. A test compares with a server.
 */
export function locksOf(statement: Statement): Lock[] {
  const kind = Object.keys(statement.node)[0] ?? '';
  const taken = statement.dynamic === undefined ? (LOCKS[kind]?.(statement) ?? []) : [];
  return strongest(
    taken.flatMap(([relation, mode]) => (relation ? [{ relation: nameOf(relation), mode }] : [])),
  );
}

type Taken = readonly [relation: RangeVar | string | undefined, mode: LockMode];

const nameOf = (relation: RangeVar | string): string =>
  typeof relation === 'string' ? relation : relationName(relation);

const LOCKS: Readonly<Record<string, (statement: Statement) => readonly Taken[]>> = {
  AlterTableStmt: ({ node }) => {
    const alter = as(node, 'AlterTableStmt');
    return [
      ...commands(alter?.cmds).map((command): Taken => [alter?.relation, modeOf(command)]),
      ...referenced(alter?.cmds),
      ...within(alter?.cmds, 'PartitionCmd').map(({ name }): Taken => [name, 'ACCESS EXCLUSIVE']),
    ];
  },
  CreateStmt: ({ node }) => {
    const table = as(node, 'CreateStmt');
    const mode = table?.partbound ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE';
    const parents = (table?.inhRelations ?? []).map((parent): Taken => [as(parent, 'RangeVar'), mode]);
    return [...parents, ...referenced(table?.tableElts)];
  },
  IndexStmt: (statement) => [
    [as(statement.node, 'IndexStmt')?.relation, isConcurrent(statement) ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE'],
  ],
  DropStmt: (statement) => {
    const drop = as(statement.node, 'DropStmt');
    const mode = isConcurrent(statement) ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE';
    return (drop?.objects ?? []).flatMap((object) =>
      droppedFrom(drop?.removeType ?? '', object).map((relation): Taken => [relation, mode]),
    );
  },
  RenameStmt: ({ node }) => {
    const rename = as(node, 'RenameStmt');
    const isIndex = rename?.renameType === 'OBJECT_INDEX';
    return [[rename?.relation, isIndex ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE']];
  },
  ReindexStmt: (statement) => [
    [
      as(statement.node, 'ReindexStmt')?.relation,
      isConcurrent(statement) ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE',
    ],
  ],
  VacuumStmt: ({ node }) => {
    const vacuum = as(node, 'VacuumStmt');
    const isFull = within(vacuum?.options, 'DefElem').some(({ defname }) => defname === 'full');
    return within(vacuum?.rels, 'VacuumRelation').map(({ relation }): Taken => [
      relation,
      isFull ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE',
    ]);
  },
  RefreshMatViewStmt: ({ node }) => {
    const refresh = as(node, 'RefreshMatViewStmt');
    return [[refresh?.relation, refresh?.concurrent ? 'EXCLUSIVE' : 'ACCESS EXCLUSIVE']];
  },
  LockStmt: ({ node }) => {
    const lock = as(node, 'LockStmt');
    const mode = NUMBERED[(lock?.mode ?? 0) - FIRST_NUMBER];
    return mode ? relations(lock?.relations, mode) : [];
  },
  TruncateStmt: ({ node }) => relations(as(node, 'TruncateStmt')?.relations, 'ACCESS EXCLUSIVE'),
  ClusterStmt: ({ node }) => [[as(node, 'ClusterStmt')?.relation, 'ACCESS EXCLUSIVE']],
  RuleStmt: ({ node }) => [[as(node, 'RuleStmt')?.relation, 'ACCESS EXCLUSIVE']],
  ViewStmt: ({ node }) => [[as(node, 'ViewStmt')?.view, 'ACCESS EXCLUSIVE']],
  AlterObjectSchemaStmt: ({ node }) => [[as(node, 'AlterObjectSchemaStmt')?.relation, 'ACCESS EXCLUSIVE']],
  CreatePolicyStmt: ({ node }) => [[as(node, 'CreatePolicyStmt')?.table, 'ACCESS EXCLUSIVE']],
  AlterPolicyStmt: ({ node }) => [[as(node, 'AlterPolicyStmt')?.table, 'ACCESS EXCLUSIVE']],
  CreateTrigStmt: ({ node }) => [[as(node, 'CreateTrigStmt')?.relation, 'SHARE ROW EXCLUSIVE']],
  CreateStatsStmt: ({ node }) => relations(as(node, 'CreateStatsStmt')?.relations, 'SHARE UPDATE EXCLUSIVE'),
  CommentStmt: ({ node }) => {
    const comment = as(node, 'CommentStmt');
    const names = as(comment?.object, 'List')?.items;
    const table = comment?.objtype === 'OBJECT_COLUMN' ? names?.slice(0, -1) : names;
    const isOfTable = comment?.objtype === 'OBJECT_TABLE' || comment?.objtype === 'OBJECT_COLUMN';
    return isOfTable ? [[qualifiedName(table), 'SHARE UPDATE EXCLUSIVE']] : [];
  },
  InsertStmt: ({ node }) => [[as(node, 'InsertStmt')?.relation, 'ROW EXCLUSIVE']],
  UpdateStmt: ({ node }) => [[as(node, 'UpdateStmt')?.relation, 'ROW EXCLUSIVE']],
  DeleteStmt: ({ node }) => [[as(node, 'DeleteStmt')?.relation, 'ROW EXCLUSIVE']],
  MergeStmt: ({ node }) => [[as(node, 'MergeStmt')?.relation, 'ROW EXCLUSIVE']],
};

const relations = (nodes: readonly Node[] | undefined, mode: LockMode): Taken[] =>
  (nodes ?? []).map((node): Taken => [as(node, 'RangeVar'), mode]);

const referenced = (tree: unknown): Taken[] =>
  within(tree, 'Constraint').map(({ pktable }): Taken => [pktable, 'SHARE ROW EXCLUSIVE']);

/** As the parser numbers them, from `ROW EXCLUSIVE` on. */
const FIRST_NUMBER = 3;
const NUMBERED: readonly LockMode[] = [
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
];

const UPDATING = new Set([
  'AT_SetStatistics',
  'AT_SetOptions',
  'AT_ResetOptions',
  'AT_ValidateConstraint',
  'AT_ClusterOn',
  'AT_DropCluster',
  'AT_AttachPartition',
]);
/** Parameters of a table that only its upkeep reads. */
const OF_UPKEEP = /^(?:autovacuum_|vacuum_|log_autovacuum|fillfactor$|toast_|parallel_workers$)/;

/** Of one command of `alter table`, on that table. */
function modeOf({ subtype = 'AT_AddColumn', def }: AlterTableCmd): LockMode {
  if (UPDATING.has(subtype)) return 'SHARE UPDATE EXCLUSIVE';
  if (subtype.endsWith('RelOptions')) {
    const options = within(def, 'DefElem');
    return options.every(({ defname }) => OF_UPKEEP.test(defname ?? ''))
      ? 'SHARE UPDATE EXCLUSIVE'
      : 'ACCESS EXCLUSIVE';
  }
  if (/^AT_(?:Enable|Disable)\w*Trig/.test(subtype)) return 'SHARE ROW EXCLUSIVE';
  const constraint = as(def, 'Constraint');
  return subtype === 'AT_AddConstraint' && constraint?.contype === 'CONSTR_FOREIGN'
    ? 'SHARE ROW EXCLUSIVE'
    : 'ACCESS EXCLUSIVE';
}
