import type { Node, RangeVar } from 'libpg-query';
import { type Statement, as } from './statement.ts';

/** `ops.job`; without a schema it is one of public. */
export const relationName = (relation: RangeVar | undefined): string =>
  `${relation?.schemaname ?? 'public'}.${relation?.relname ?? ''}`;

export const stringOf = (node: Node | undefined): string => as(node, 'String')?.sval ?? '';

export const qualifiedName = (names: readonly Node[] | undefined): string => {
  const parts = (names ?? []).map(stringOf);
  return (parts.length === 1 ? ['public', ...parts] : parts).join('.');
};

/** Of an object that is named in DROP, GRANT and the like: a list of names, or a function with its arguments. */
export const objectName = (node: Node): string => {
  const list = as(node, 'List')?.items;
  const routine = as(node, 'ObjectWithArgs')?.objname;
  const type = as(node, 'TypeName')?.names;
  return list || routine || type ? qualifiedName(list ?? routine ?? type) : stringOf(node);
};

/** What a statement makes, by names that are qualified. */
export function createdBy({ node }: Statement): string[] {
  const table = as(node, 'CreateStmt')?.relation;
  const relation =
    table ??
    as(node, 'ViewStmt')?.view ??
    as(node, 'CreateTableAsStmt')?.into?.rel ??
    as(node, 'CreateSeqStmt')?.sequence;
  if (relation) return [relationName(relation)];
  const index = as(node, 'IndexStmt');
  if (index?.idxname) return [`${index.relation?.schemaname ?? 'public'}.${index.idxname}`];
  const names =
    as(node, 'CreateFunctionStmt')?.funcname ??
    as(node, 'CreateEnumStmt')?.typeName ??
    as(node, 'CreateDomainStmt')?.domainname;
  if (names) return [qualifiedName(names)];
  const composite = as(node, 'CompositeTypeStmt')?.typevar;
  if (composite) return [relationName(composite)];
  return [as(node, 'CreateSchemaStmt')?.schemaname ?? ''].filter((name) => name !== '');
}

/** All nodes of a kind within a tree. */
export function within<K extends Parameters<typeof as>[1]>(tree: unknown, kind: K): Found<K>[] {
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]: [string, unknown]) => {
    const below = within(value, kind);
    return key === kind ? [value as Found<K>].concat(below) : below;
  });
}

type Found<K extends Parameters<typeof as>[1]> = NonNullable<ReturnType<typeof as<K>>>;
