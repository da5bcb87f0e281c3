import {
  type MigrationFile,
  type PreparedFile,
  isBreaking,
} from '#src/adapters/outbound/postgres/migrations.ts';
import {
  headerOf,
  isTransactional,
  statementsOf,
} from '#src/adapters/outbound/postgres/unwrapped-migration.ts';
import { isNamedAfterATime } from './names.ts';
import { createdBy } from './objects.ts';
import { definer, publicGrant, revokedBy } from './rules/functions.ts';
import { concurrentIndex, lockTimeout } from './rules/locks.ts';
import type { Rule, World } from './rules/rule.ts';
import { limitsLocks, searchPath } from './rules/settings.ts';
import { breaksPrevious, rewrite, validation } from './rules/tables.ts';
import { dynamic, repeatable, transaction } from './rules/transactions.ts';
import { type Statement, parseStatements } from './statement.ts';

export interface Fault {
  /** `name.up.sql:12` */
  readonly place: string;
  readonly rule: string;
  readonly message: string;
}

/** Of statements. A comment before one may allow what a rule refuses: `-- lint-allow: rule reason`. */
const RULES: Readonly<Record<string, Rule>> = {
  'lock-timeout': lockTimeout,
  'concurrent-index': concurrentIndex,
  rewrite,
  validation,
  'breaks-previous': breaksPrevious,
  definer,
  'public-grant': publicGrant,
  transaction,
  repeatable,
  dynamic,
  'search-path': searchPath,
};
/** Looks at more than the migrations (contract-tests.ts). */
const RULES_ELSEWHERE = ['contract-test'];
/** Taking back is for development: nobody waits, and nothing depends on it. */
const RULES_OF_DOWN = ['transaction', 'repeatable', 'dynamic'];
const ALLOW = /^\s*-- lint-allow:\s*(?<rule>\S*)[ \t]*(?<reason>.*)$/gm;

type Migration = Pick<MigrationFile, 'name' | 'up' | 'down'>;

/**
 * What is wrong with the migrations, file by file. Those of the last release are frozen and were looked at before it: they must be
 * there, unchanged. What the others make among themselves is new, so that nobody waits for it or depends on it.
 */
export function lintMigrations(
  migrations: readonly Migration[],
  released: readonly Migration[] = [],
): Fault[] {
  const frozen = new Map(released.map((migration) => [migration.name, migration]));
  const existing = new Set<string>();
  const created = new Set<string>();
  let isRevokedByDefault = false;
  const faults = [...releasedFaults(migrations, frozen), ...orderFaults(migrations, released)];
  for (const migration of migrations) {
    const { name, up, down } = migration;
    const statements = parsed(`${name}.up.sql`, up, faults);
    isRevokedByDefault ||= statements.some(({ node }) => revokedBy(node).includes('default'));
    if (frozen.has(name)) {
      for (const object of statements.flatMap(createdBy)) existing.add(object);
      continue;
    }
    faults.push(...fileFaults(migration));
    const revoked = new Set(statements.flatMap(({ node }) => revokedBy(node)));
    const world = {
      // `if not exists` and `or replace` make nothing new of what is there.
      isNew: (object: string) => (created.has(object) && !existing.has(object)) || isSystem(object),
      isRevokedFromPublic: (object: string) => isRevokedByDefault || revoked.has(object),
    };
    faults.push(...statementFaults(`${name}.up.sql`, up, statements, world, Object.keys(RULES), created));
    const below = parsed(`${name}.down.sql`, down, faults);
    faults.push(...statementFaults(`${name}.down.sql`, down, below, world, RULES_OF_DOWN));
  }
  return faults;
}

/** Temporary tables and PostgreSQL's own. */
const isSystem = (name: string): boolean => /^pg_(?:temp|catalog)\./.test(name);

function parsed(file: string, text: string, faults: Fault[]): Statement[] {
  try {
    return parseStatements(text);
  } catch (error) {
    faults.push({
      place: file,
      rule: 'syntax',
      message: error instanceof Error ? error.message : String(error),
    });
    return [];
  }
}

function statementFaults(
  file: string,
  text: string,
  statements: readonly Statement[],
  world: Pick<World, 'isNew' | 'isRevokedFromPublic'>,
  rules: readonly string[],
  created = new Set<string>(),
): Fault[] {
  const transactional = isTransactional(text);
  let hasLockTimeout = false;
  const faults: Fault[] = [];
  for (const statement of statements) {
    const place = `${file}:${statement.line}`;
    const found = rules.flatMap((rule) =>
      (RULES[rule]?.(statement, { ...world, transactional, hasLockTimeout }) ?? []).map((message) => ({
        place,
        rule,
        message,
      })),
    );
    faults.push(...withoutAllowed(found, statement.comments, place));
    hasLockTimeout = limitsLocks(statement, transactional) ?? hasLockTimeout;
    for (const object of createdBy(statement)) created.add(object);
  }
  // The runner tells statements apart by blank lines.
  const isSplit = !transactional && statements.length > 0;
  const many = isSplit ? statementsOf(text).filter((part) => parsed(file, part, []).length > 1) : [];
  for (const part of many) {
    const message = `needs a blank line between its statements: ${part.trim().split('\n')[0]} …`;
    faults.push({ place: file, rule: 'repeatable', message });
  }
  return faults;
}

function withoutAllowed(faults: readonly Fault[], comments: string, place: string): Fault[] {
  const allowed = [...comments.matchAll(ALLOW)].map(({ groups }) => ({
    rule: groups?.['rule'] ?? '',
    reason: groups?.['reason'] ?? '',
  }));
  const wrong = allowed.flatMap(({ rule, reason }) => {
    const isElsewhere = RULES_ELSEWHERE.includes(rule);
    if (!Object.hasOwn(RULES, rule) && !isElsewhere)
      return [`"${rule}" is no rule; there are ${[...Object.keys(RULES), ...RULES_ELSEWHERE].join(', ')}.`];
    if (reason.trim() === '') return [`say why, after "lint-allow: ${rule}".`];
    if (isElsewhere) return [];
    return faults.some((fault) => fault.rule === rule)
      ? []
      : [`${rule} has nothing to refuse here; take the comment away.`];
  });
  return [
    ...faults.filter(({ rule }) => !allowed.some((one) => one.rule === rule)),
    ...wrong.map((message) => ({ place, rule: 'lint-allow', message })),
  ];
}

function fileFaults({ name, up }: Migration): Fault[] {
  const place = `${name}.up.sql:1`;
  const missing = ['Owner', 'Compatibility'].filter((field) => headerOf(up, field) === undefined);
  const isRollback = /rollback|revert|undo/.test(name);
  return [
    ...missing.map((field) => ({
      place,
      rule: 'header',
      message: `begins with "-- ${field}: …"; see docs/runbooks/migrations.md.`,
    })),
    ...(isNamedAfterATime(name)
      ? []
      : [{ place, rule: 'name', message: 'begins with a time that there is, in UTC.' }]),
    ...(isRollback && !/_rollback_[a-z0-9]+$/.test(name)
      ? [{ place, rule: 'name', message: 'takes something back: its name ends in _rollback_<issue>.' }]
      : []),
  ];
}

/** DATA-2. */
function releasedFaults(migrations: readonly Migration[], frozen: ReadonlyMap<string, Migration>): Fault[] {
  return [...frozen.values()].flatMap(({ name, up, down }) => {
    const now = migrations.find((migration) => migration.name === name);
    if (now && now.up === up && now.down === down) return [];
    const what = now ? 'was changed after its release' : 'is missing, and was released';
    return [{ place: name, rule: 'applied', message: `${what}: restore it, and write a new migration.` }];
  });
}

/** A rollback that was prepared is applied on the day on which it is needed, after everything that is applied by then. */
export function preparedFaults(
  prepared: readonly Pick<PreparedFile, 'name' | 'takesBack'>[],
  migrations: readonly Pick<MigrationFile, 'name' | 'up'>[],
): Fault[] {
  const last = migrations.at(-1)?.name ?? '';
  return prepared.flatMap(({ name, takesBack }) => {
    const place = `rollback/${name}`;
    const messages = [
      !migrations.some((one) => one.name === takesBack && isBreaking(one.up)) &&
        `takes back ${takesBack}, which is no migration that breaks the release before.`,
      !/_rollback_[a-z0-9]+$/.test(name) && 'takes something back: its name ends in _rollback_<issue>.',
      name < last && `sorts before ${last}, after which it is to be applied: give it a later time.`,
    ];
    return messages
      .filter((message) => message !== false)
      .map((message) => ({ place, rule: 'prepared', message }));
  });
}

/** It could not be applied where the last release is. */
function orderFaults(migrations: readonly Migration[], released: readonly Migration[]): Fault[] {
  const last =
    released
      .map(({ name }) => name)
      .toSorted()
      .at(-1) ?? '';
  const known = new Set(released.map(({ name }) => name));
  const times = Map.groupBy(migrations, ({ name }) => name.slice(0, 14));
  return migrations.flatMap(({ name }) => {
    const twins = times.get(name.slice(0, 14)) ?? [];
    const message =
      !known.has(name) && name < last
        ? `sorts before ${last}, which is released: give it a later time.`
        : twins.length > 1 && twins.at(-1)?.name === name
          ? `has the time of ${twins[0]?.name ?? ''}: give it a later one.`
          : undefined;
    return message === undefined ? [] : [{ place: name, rule: 'order', message }];
  });
}
