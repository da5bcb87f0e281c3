import type { AlterTableCmd, Node, RangeVar } from 'libpg-query';
import { objectName, qualifiedName, relationName, within } from '../objects.ts';
import { type Statement, as } from '../statement.ts';
import type { Rule } from './rule.ts';

const OF_A_TABLE = new Set(['OBJECT_TRIGGER', 'OBJECT_POLICY', 'OBJECT_RULE', 'OBJECT_TABCONSTRAINT']);
const RELATIONS = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_INDEX',
  'OBJECT_SEQUENCE',
]);

export const isConcurrent = ({ node }: Statement): boolean =>
  as(node, 'IndexStmt')?.concurrent === true ||
  as(node, 'DropStmt')?.concurrent === true ||
  within(as(node, 'ReindexStmt')?.params, 'DefElem').some(({ defname }) => defname === 'concurrently');

/** Relations that a statement keeps readers or writers from. */
function lockedBy(statement: Statement): string[] {
  const { node } = statement;
  if (isConcurrent(statement)) return [];
  const drop = as(node, 'DropStmt');
  if (drop) return (drop.objects ?? []).flatMap((object) => droppedFrom(drop.removeType ?? '', object));
  const table = as(node, 'CreateStmt');
  if (table) {
    const others = [
      ...within(table, 'Constraint').map(({ pktable }) => pktable),
      ...(table.partbound ? (table.inhRelations ?? []).map((parent) => as(parent, 'RangeVar')) : []),
    ];
    return others.filter((relation) => relation !== undefined).map(relationName);
  }
  const alter = as(node, 'AlterTableStmt');
  if (alter) {
    const referenced = within(alter.cmds, 'Constraint').map(({ pktable }) => pktable);
    return [alter.relation, ...referenced, ...partitionsOf(alter.cmds)]
      .filter((relation) => relation !== undefined)
      .map(relationName);
  }
  const many = as(node, 'LockStmt')?.relations ?? as(node, 'TruncateStmt')?.relations;
  if (many) return many.map((relation) => relationName(as(relation, 'RangeVar')));
  const refresh = as(node, 'RefreshMatViewStmt');
  const one =
    as(node, 'IndexStmt')?.relation ??
    as(node, 'CreateTrigStmt')?.relation ??
    as(node, 'RuleStmt')?.relation ??
    as(node, 'CreatePolicyStmt')?.table ??
    as(node, 'AlterPolicyStmt')?.table ??
    as(node, 'RenameStmt')?.relation ??
    as(node, 'AlterObjectSchemaStmt')?.relation ??
    as(node, 'ClusterStmt')?.relation ??
    as(node, 'ReindexStmt')?.relation ??
    (refresh?.concurrent ? undefined : refresh?.relation) ??
    as(node, 'ViewStmt')?.view;
  return one ? [relationName(one)] : [];
}

/** What is attached or detached. */
export const partitionsOf = (commands: readonly Node[] | undefined): RangeVar[] =>
  within(commands, 'PartitionCmd').flatMap(({ name }) => name ?? []);

/** A trigger is named after its table. */
export function droppedFrom(type: string, object: Node): string[] {
  if (RELATIONS.has(type)) return [objectName(object)];
  return OF_A_TABLE.has(type) ? [qualifiedName(as(object, 'List')?.items?.slice(0, -1))] : [];
}

/** Waiting for its lock, a statement makes everybody wait that comes after it. */
export const lockTimeout: Rule = (statement, world) => {
  if (world.hasLockTimeout) return [];
  const names = [...new Set(lockedBy(statement))].filter((name) => !world.isNew(name));
  // A view that is new is none that somebody reads.
  const isNewView = as(statement.node, 'ViewStmt') !== undefined && !as(statement.node, 'ViewStmt')?.replace;
  if (names.length === 0 || isNewView) return [];
  return [
    `locks ${names.join(', ')}, and who comes after it waits too: set local lock_timeout = '5s', or less, before it.`,
  ];
};

const HOLDS_UNIQUE = new Set(['CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_EXCLUSION']);

export const concurrentIndex: Rule = (statement, world) => {
  const { node } = statement;
  if (isConcurrent(statement)) return [];
  const index = as(node, 'IndexStmt');
  if (index && !world.isNew(relationName(index.relation)))
    return [
      `keeps writers from ${relationName(index.relation)} while it builds: create index concurrently if not exists, in a migration with "-- Transaction: none".`,
    ];
  const drop = as(node, 'DropStmt');
  if (
    drop?.removeType === 'OBJECT_INDEX' &&
    !(drop.objects ?? []).every((object) => world.isNew(objectName(object)))
  )
    return [
      'keeps readers from the table: drop index concurrently if exists, in a migration with "-- Transaction: none".',
    ];
  if (as(node, 'ReindexStmt'))
    return ['keeps writers from the table: reindex concurrently, and not in a migration.'];
  const alter = as(node, 'AlterTableStmt');
  if (!alter || world.isNew(relationName(alter.relation))) return [];
  return commands(alter.cmds)
    .flatMap(({ def }) => within([def], 'Constraint'))
    .filter(({ contype, indexname }) => HOLDS_UNIQUE.has(contype ?? '') && !indexname)
    .map(
      () =>
        `builds an index while nobody can use ${relationName(alter.relation)}: create unique index concurrently first, then add constraint … using index.`,
    );
};

export const commands = (nodes: readonly Node[] | undefined): AlterTableCmd[] =>
  (nodes ?? []).map((node) => as(node, 'AlterTableCmd')).filter((command) => command !== undefined);
