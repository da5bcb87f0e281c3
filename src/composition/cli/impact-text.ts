import type { LiveLock, MigrationImpact } from '#src/application/migrations/impact.ts';
import { tableOf } from './table.ts';

/** What migrations do to the schema, a paragraph each. */
export const impactText = (impact: readonly MigrationImpact[]): string =>
  impact.length === 0 ? 'no migration is pending' : impact.map(textOf).join('\n\n');

function textOf(migration: MigrationImpact): string {
  const { name, transactional, compatibility, statements, objects, locks, unseen } = migration;
  const kinds = Object.entries(statements).map(([kind, count]) => `${count} ${kind}`);
  const rows = [
    ['statements', listOf(kinds)],
    ['objects', listOf(objects)],
    ['locks', listOf(locks.map(lockText))],
    ['transaction', transactional ? 'one, all or nothing' : 'none: a part may stay'],
    ['compatibility', compatibility],
    ['way back', wayBack(migration)],
    ['contract tests', listOf(migration.contractTests)],
    ...(unseen > 0 ? [['not looked at', `${unseen} statements that are made up as they run`]] : []),
  ];
  return `${name}\n${tableOf(rows.map(([label = '', text = '']) => [`  ${label}`, text]))}`;
}

const listOf = (texts: readonly string[]): string => texts.join(', ') || 'none';

const lockText = ({ relation, mode, rows, bytes }: LiveLock): string =>
  `${mode} on ${relation} (${rows === null ? 'rows never counted' : `about ${rows} rows`}, ${Math.ceil(bytes / 1024)} kB)`;

function wayBack({ isBreaking, rollback, loses }: MigrationImpact): string {
  const down = loses === null ? 'its down step loses nothing' : `its down step loses ${loses}`;
  if (!isBreaking) return `stays when the release goes back; ${down}`;
  return rollback === null ? `nothing is prepared for prod; ${down}` : `${rollback}; ${down}`;
}
