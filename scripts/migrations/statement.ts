import { type Node, loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';

await loadModule();

/** `{ IndexStmt: … }` apart: of each kind the fields that it has. */
type Kinds = Node extends infer N ? (N extends unknown ? keyof N : never) : never;
type FieldsOf<K extends Kinds> = Extract<Node, Record<K, unknown>>[K];

export interface Statement {
  readonly line: number;
  readonly node: Node;
  /** What stands before it. */
  readonly comments: string;
  /** Executed by a DO block as text that is made up as it runs. */
  readonly dynamic?: string;
  /** Within a DO block, which may not come to it. */
  readonly isNested?: boolean;
}

/** What of a statement is of that kind. */
export const as = <K extends Kinds>(node: Node | undefined, kind: K): FieldsOf<K> | undefined =>
  node !== undefined && kind in node ? (node as unknown as Record<K, FieldsOf<K>>)[kind] : undefined;

/**
 * The statements of a file, parsed by PostgreSQL's own parser, those within DO blocks too.
 *
 * @throws SqlError with the position
 */
export function parseStatements(text: string): Statement[] {
  // Positions count bytes.
  const bytes = Buffer.from(text);
  let end = 0;
  return (parseSync(text).stmts ?? []).flatMap(({ stmt, stmt_location: from = 0, stmt_len: length }) => {
    const comments = bytes.subarray(end, from).toString();
    end = length === undefined ? bytes.length : from + length;
    const line = bytes.subarray(0, from).toString().split('\n').length;
    const outer: Statement = { line, node: stmt as Node, comments };
    return [outer].concat(withinBlock(outer, bytes.subarray(from, end).toString()));
  });
}

function withinBlock({ node, line, comments }: Statement, text: string): Statement[] {
  if (!as(node, 'DoStmt')) return [];
  return queriesOf(parsePlPgSQLSync(text)).flatMap(({ query, at, isDynamic }): Statement[] => {
    const place = { line: line + at - 1, comments, isNested: true };
    if (isDynamic) return [{ ...place, node, dynamic: query }];
    return parseStatements(query).map((statement) => Object.assign(statement, place));
  });
}

interface Query {
  readonly query: string;
  readonly at: number;
  readonly isDynamic: boolean;
}

function queriesOf(tree: unknown): Query[] {
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]: [string, PlStatement]) => {
    return ownQueries(key, value).concat(queriesOf(value));
  });
}

function ownQueries(kind: string, statement: PlStatement): Query[] {
  if (kind === 'PLpgSQL_stmt_execsql') return queryOf(statement, statement.sqlstmt, false);
  if (kind === 'PLpgSQL_stmt_perform') return queryOf(statement, statement.expr, false);
  if (kind === 'PLpgSQL_stmt_fors') return queryOf(statement, statement.query, false);
  return kind === 'PLpgSQL_stmt_dynexecute' || kind === 'PLpgSQL_stmt_dynfors'
    ? queryOf(statement, statement.query, true)
    : [];
}

interface PlStatement {
  readonly lineno?: number;
  readonly sqlstmt?: PlExpression;
  readonly expr?: PlExpression;
  readonly query?: PlExpression;
}
interface PlExpression {
  readonly PLpgSQL_expr: { readonly query: string };
}

const queryOf = (
  { lineno = 1 }: PlStatement,
  expression: PlExpression | undefined,
  isDynamic: boolean,
): Query[] => (expression ? [{ query: expression.PLpgSQL_expr.query, at: lineno, isDynamic }] : []);
