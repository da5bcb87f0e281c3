import type { Finding } from '../finding.ts';
import { audited, none } from './audited.ts';
import type { DatabaseSecurity, FunctionFacts } from './facts.ts';

/** A row is shown to its organisation, or to who says, by a setting of the transaction, what it is known by. */
const KEYED = /\bcurrent_organization\(\)|current_setting\('ops\./;

/** SEC-11: who sees which rows, and as whom functions run. */
export function rowFindings({ tables, leakyViews, functions }: DatabaseSecurity): Finding[] {
  const open = tables.filter(({ forced }) => !forced).map(({ name }) => name);
  const unkeyed = tables.flatMap(({ name: table, policies }) =>
    policies
      .filter(({ expressions }) => expressions.some((expression) => !KEYED.test(expression)))
      .map(({ name }) => ({ table, name })),
  );
  const callable = functions.filter((one) => one.open).map(({ name }) => name);
  const astray = functions.filter(isAstray);
  return [
    none('row-security', 'SEC-11', open, `forced on ${tables.length} tables of public`, {
      explanation: 'The functions run as the owner, and see the rows of every organisation.',
      mend: open
        .map((table) => `alter table ${table} enable row level security, force row level security;`)
        .join(' '),
    }),
    none(
      'row-policy',
      'SEC-11',
      unkeyed.map(({ table, name }) => `${name} on ${table}`),
      'every policy asks for the organisation, or for what a row is known by',
      {
        explanation: 'It shows rows without asking whose they are.',
        mend: unkeyed.map(({ table, name }) => `drop policy ${name} on ${table};`).join(' '),
      },
    ),
    none('view-barrier', 'SEC-11', leakyViews, 'every view that a role reads is a security barrier', {
      explanation: 'A function in the condition of whoever reads it sees rows of other organisations.',
      mend: leakyViews.map((view) => `alter view ${view} set (security_barrier);`).join(' '),
    }),
    none('function-public', 'SEC-12', callable, 'PUBLIC may execute no function of ours', {
      explanation: 'Every role of the server may call it, some with the rights of the owner.',
      mend: callable.map((name) => `revoke execute on function ${name} from public;`).join(' '),
    }),
    audited(
      'search-path',
      'SEC-12',
      astray.length > 0 ? 'critical' : 'ok',
      astray.map(({ name, searchPath }) => `${name}: ${searchPath ?? 'not fixed'}`).join(', ') ||
        'fixed in every SECURITY DEFINER function',
      {
        explanation: 'The caller decides what the names in it mean, and it has the rights of the owner.',
        mend: astray
          .map(({ name }) => `alter function ${name} set search_path = pg_catalog, pg_temp;`)
          .join(' '),
      },
    ),
  ];
}

/** Temporary objects are found first unless they are named last. */
const isAstray = ({ definer, searchPath }: FunctionFacts): boolean =>
  definer && searchPath !== 'pg_catalog, pg_temp';
