import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MigrationFile } from '#src/adapters/outbound/postgres/migrations.ts';
import { git, lastRelease } from '../releases.ts';
import type { Fault } from './lint.ts';
import { createdBy, objectName, qualifiedName, relationName } from './objects.ts';
import { migrationsAt } from './released.ts';
import { type Statement, as, parseStatements } from './statement.ts';

type Migration = Pick<MigrationFile, 'name' | 'up'>;

export interface ContractTest {
  readonly file: string;
  readonly text: string;
}

export interface Change {
  readonly migrations: readonly Migration[];
  readonly migrationsBefore: readonly Migration[];
  /** As they are now. */
  readonly tests: readonly ContractTest[];
  /** Files. */
  readonly changedTests: readonly string[];
}

const TESTS = 'test/contract';
const RULE = 'contract-test';
const ALLOW = new RegExp(String.raw`^\s*-- lint-allow:\s*${RULE}[ \t]+\S`, 'm');

/**
 * DATA-9: who changes a function, a table, a column or a view in a migration changes a contract test that names it. Of what no
 * contract test names, another one must show the change.
 *
 * @throws SqlError for a migration that cannot be parsed
 */
export function untestedChanges({ migrations, migrationsBefore, tests, changedTests }: Change): Fault[] {
  const before = new Map(migrationsBefore.map(({ name, up }) => [name, up]));
  const isChanged = new Set(changedTests);
  return migrations.flatMap(({ name, up }) =>
    newStatements(before.get(name) ?? '', up).flatMap((statement) => {
      if (ALLOW.test(statement.comments)) return [];
      return changedBy(statement).flatMap((object) => {
        const naming = tests.filter(({ text }) => names(text, object));
        const candidates = naming.length > 0 ? naming.map(({ file }) => file) : changedTests;
        if (candidates.some((file) => isChanged.has(file))) return [];
        const where = naming.length > 0 ? candidates.join(', ') : `${TESTS}: none names it`;
        const message = `changes ${object} and none of its contract tests (${where}).`;
        return [{ place: `${name}.up.sql:${statement.line}`, rule: RULE, message }];
      });
    }),
  );
}

function newStatements(before: string, now: string): Statement[] {
  if (before === now) return [];
  const known = new Set(before === '' ? [] : parseStatements(before).map(meaning));
  return parseStatements(now).filter((statement) => !known.has(meaning(statement)));
}

const PLACES = /(?:location|_start|_end)$/;

/** Without where it stands. */
const meaning = ({ node, dynamic }: Statement): string =>
  JSON.stringify([node, dynamic], (key, value: unknown) => (PLACES.test(key) ? undefined : value));

const CHANGED = new Set(
  ['FUNCTION', 'PROCEDURE', 'ROUTINE', 'TABLE', 'VIEW'].map((type) => `OBJECT_${type}`),
);

/** Functions, tables and views that a statement makes, changes or drops. */
export function changedBy(statement: Statement): string[] {
  const { node } = statement;
  const isMade = as(node, 'CreateFunctionStmt') ?? as(node, 'CreateStmt') ?? as(node, 'ViewStmt');
  if (isMade) return createdBy(statement);
  const table = as(node, 'AlterTableStmt') ?? as(node, 'RenameStmt');
  if (table?.relation) return [relationName(table.relation)];
  const altered = as(node, 'AlterFunctionStmt');
  if (altered) return [qualifiedName(altered.func?.objname)];
  const drop = as(node, 'DropStmt');
  return CHANGED.has(drop?.removeType ?? '') ? (drop?.objects ?? []).map(objectName) : [];
}

/** Whether a contract test names an object. */
export const names = (text: string, object: string): boolean =>
  new RegExp(String.raw`\b${object.split('.').at(-1) ?? ''}\b`).test(text);

/** What the checkout changes since it left main; on main itself since the last release, or in the last commit before there is one. */
export async function changeOf(
  checkout: string,
  migrations: readonly Migration[],
): Promise<Change | undefined> {
  const base = await baseOf(checkout);
  if (base === undefined) return undefined;
  const tests = await contractTests(checkout);
  const known = new Set(tests.map(({ file }) => file));
  const changed = [
    ...(await lines(checkout, 'diff', '--name-only', base)),
    ...(await lines(checkout, 'ls-files', '--others', '--exclude-standard')),
  ];
  return {
    migrations,
    migrationsBefore: await migrationsAt(checkout, base),
    tests,
    changedTests: changed.filter((file) => known.has(file)),
  };
}

/** Of a checkout, those that are not committed yet too. */
export async function contractTests(checkout: string): Promise<ContractTest[]> {
  const files = [
    ...(await lines(checkout, 'ls-files')),
    ...(await lines(checkout, 'ls-files', '--others', '--exclude-standard')),
  ];
  const textOf = async (file: string): Promise<string> =>
    await readFile(join(checkout, file), 'utf8').catch(() => ''); // Deleted, and not committed yet.
  return await Promise.all(files.map(async (file) => ({ file, text: await textOf(file) })));
}

const lines = async (checkout: string, ...options: string[]): Promise<string[]> =>
  ((await git(checkout, ...options, '--', TESTS)) ?? '').split('\n').filter((line) => line !== '');

async function baseOf(checkout: string): Promise<string | undefined> {
  const commit = async (...options: string[]): Promise<string | undefined> =>
    (await git(checkout, ...options))?.trim();
  const head = await commit('rev-parse', 'HEAD');
  if (head === undefined) return undefined;
  for (const main of ['origin/main', 'main']) {
    const base = await commit('merge-base', head, main);
    if (base !== undefined && base !== head) return base;
  }
  return (await lastRelease(checkout)) ?? (await commit('rev-parse', '--verify', '--quiet', 'HEAD^')) ?? head;
}
