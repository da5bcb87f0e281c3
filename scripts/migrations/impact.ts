import type { MigrationFile, PreparedFile } from '#src/adapters/outbound/postgres/migrations.ts';
import { isBreaking } from '#src/adapters/outbound/postgres/migrations.ts';
import { headerOf, isTransactional } from '#src/adapters/outbound/postgres/unwrapped-migration.ts';
import { type MigrationStatements, strongest } from '#src/application/migrations/impact.ts';
import { type ContractTest, changedBy, names } from './contract-tests.ts';
import { createdBy } from './objects.ts';
import { type Statement, parseStatements } from './statement.ts';
import { locksOf } from './table-locks.ts';

type Migration = Pick<MigrationFile, 'name' | 'up' | 'down'>;

/** What a migration says of itself, by its text alone. @throws SqlError */
export function statementsOfMigration(
  { name, up, down }: Migration,
  prepared: readonly Pick<PreparedFile, 'name' | 'takesBack'>[],
  tests: readonly ContractTest[],
): MigrationStatements {
  const statements = parseStatements(up);
  const locks = strongest(statements.flatMap(locksOf));
  const objects = [
    ...new Set([...statements.flatMap(objectsOf), ...locks.map(({ relation }) => relation)]),
  ].toSorted();
  const changed = new Set(statements.flatMap(changedBy));
  return {
    name,
    transactional: isTransactional(up),
    compatibility: headerOf(up, 'Compatibility') ?? 'not said',
    isBreaking: isBreaking(up),
    statements: counted(statements.map(kindOf)),
    objects,
    locks,
    unseen: statements.filter(({ dynamic }) => dynamic !== undefined).length,
    loses: headerOf(down, 'Loses') ?? null,
    rollback: prepared.find(({ takesBack }) => takesBack === name)?.name ?? null,
    contractTests: tests
      .filter(({ text }) => [...changed].some((object) => names(text, object)))
      .map(({ file }) => file),
  };
}

const objectsOf = (statement: Statement): string[] => [...createdBy(statement), ...changedBy(statement)];

function counted(kinds: readonly string[]): Record<string, number> {
  const groups = Object.entries(Object.groupBy(kinds, (kind) => kind));
  return Object.fromEntries(groups.map(([kind, many = []]) => [kind, many.length]));
}

const UNLIKE: Readonly<Record<string, string>> = {
  CreateStmt: 'create table',
  IndexStmt: 'create index',
  ViewStmt: 'create view',
  CreateTrigStmt: 'create trigger',
  VariableSetStmt: 'set',
  CreateSeqStmt: 'create sequence',
};

/** As it is written in SQL: `alter table`, `drop index`. */
function kindOf({ node, dynamic }: Statement): string {
  if (dynamic !== undefined) return 'execute';
  const [[key, fields] = ['', {}]] = Object.entries(node);
  const { removeType, objtype } = fields as { readonly removeType?: string; readonly objtype?: string };
  if (key === 'DropStmt') return `drop ${words(removeType ?? '')}`;
  if (key === 'AlterTableStmt') return `alter ${words(objtype ?? '')}`;
  return (
    UNLIKE[key] ??
    key
      .replace(/Stmt$/, '')
      .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase()
  );
}

const words = (text: string): string => text.replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase();
