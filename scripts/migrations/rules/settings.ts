import type { Node } from 'libpg-query';
import { stringOf, within } from '../objects.ts';
import { type Statement, as } from '../statement.ts';
import type { Rule } from './rule.ts';

const LONGEST_MS = 5000;
/** Without a unit a time-out is in milliseconds. */
const UNITS_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/**
 * Whether later statements wait for a lock for 5 s at most because of this one, or do not because of it; undefined when it has no
 * part in that. What a DO block sets it may not come to.
 */
export function limitsLocks({ node, isNested }: Statement, transactional: boolean): boolean | undefined {
  const set = as(node, 'VariableSetStmt');
  if (set?.kind === 'VAR_RESET_ALL' || as(node, 'DiscardStmt')) return false;
  if (set?.name?.toLowerCase() === 'lock_timeout') {
    if (set.is_local && !transactional) return undefined;
    const isShort = set.kind === 'VAR_SET_VALUE' && isLimit(set.args?.[0]);
    return isShort && isNested ? undefined : isShort;
  }
  return configured(node).some((name) => name === undefined || name === 'lock_timeout') ? false : undefined;
}

/** PostgreSQL takes 0 for no limit, and rounds to whole milliseconds. */
function isLimit(value: Node | undefined): boolean {
  const { ival, fval, sval } = as(value, 'A_Const') ?? {};
  const text = sval?.sval ?? fval?.fval ?? String(ival?.ival ?? 0);
  const [, number, unit = 'ms'] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (UNITS_MS[unit] ?? Number.NaN));
  return ms > 0 && ms <= LONGEST_MS;
}

/** The settings that a statement changes by set_config as it runs; undefined for one that nobody can tell. */
const configured = (node: Node): (string | undefined)[] =>
  as(node, 'CreateFunctionStmt')
    ? []
    : within(node, 'FuncCall')
        .filter(({ funcname }) => stringOf(funcname?.at(-1)) === 'set_config')
        .map(({ args }) => as(args?.[0], 'A_Const')?.sval?.sval?.toLowerCase());

/** What the linter takes for one object would be another. */
export const searchPath: Rule = ({ node }) => {
  const set = as(node, 'VariableSetStmt')?.name?.toLowerCase();
  return set === 'search_path' || configured(node).includes('search_path')
    ? ['changes what names mean from here on: write the schema before each name instead.']
    : [];
};
