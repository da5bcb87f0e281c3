import { stringOf } from '../objects.ts';
import { as, parseStatements } from '../statement.ts';
import { commands, isConcurrent } from './locks.ts';
import type { Rule } from './rule.ts';

/** The runner begins and ends the transaction. */
export const transaction: Rule = (statement, { transactional }) => {
  if (!transactional) return [];
  const { node } = statement;
  if (as(node, 'TransactionStmt')) return ['the runner begins and ends the transaction.'];
  return isConcurrent(statement) || as(node, 'VacuumStmt')
    ? [
        'cannot run in a transaction: say "-- Transaction: none" in the header, and keep all else in another migration.',
      ]
    : [];
};

/** After a kill the file is run from its beginning. */
export const repeatable: Rule = ({ node }, { transactional }) => {
  if (transactional) return [];
  const index = as(node, 'IndexStmt');
  const drop = as(node, 'DropStmt');
  const alter = as(node, 'AlterTableStmt');
  const isRepeatable =
    (index?.concurrent && index.if_not_exists && index.idxname) ||
    (drop?.removeType === 'OBJECT_INDEX' && drop.concurrent && drop.missing_ok) ||
    as(node, 'AlterEnumStmt')?.skipIfNewValExists ||
    (alter && commands(alter.cmds).every(({ subtype }) => subtype === 'AT_ValidateConstraint')) ||
    as(node, 'VariableSetStmt') ||
    as(node, 'VacuumStmt');
  return isRepeatable
    ? []
    : [
        'may run twice, when a run was killed: only what does nothing the second time, such as create index concurrently if not exists; all else in a migration with a transaction.',
      ];
};

const LOCKING =
  /\b(?:create|alter|drop|truncate|rename|reindex|cluster|refresh|lock|lock_timeout|search_path)\b/i;

/** One text, or a format with names (`%I`) and values (`%L`) only, can be read before it runs. */
export const dynamic: Rule = ({ dynamic }) => {
  if (dynamic === undefined) return [];
  const text = constantOf(dynamic);
  return text === undefined || /%(?:\d+\$)?-?\d*s/.test(text) || LOCKING.test(dynamic)
    ? ['makes up its statement as it runs, so that nobody can look at it before: write the statement itself.']
    : [];
};

function constantOf(expression: string): string | undefined {
  const [statement] = parseStatements(`select ${expression}`);
  const [target] = as(statement?.node, 'SelectStmt')?.targetList ?? [];
  const value = as(target, 'ResTarget')?.val;
  const call = as(value, 'FuncCall');
  const isFormat = stringOf(call?.funcname?.at(-1)) === 'format';
  return as(isFormat ? call?.args?.[0] : value, 'A_Const')?.sval?.sval;
}
