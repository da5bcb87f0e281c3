import { writeMigration } from '#src/adapters/outbound/postgres/new-migration.ts';
import { readMigrations } from '#src/adapters/outbound/postgres/migrations.ts';
import {
  MIGRATIONS_FOLDER,
  migrateDown,
  migrateToLatest,
  migrationPlan,
  migrationStatus,
} from '#src/adapters/outbound/postgres/migrator.ts';
import { takeBackNewest } from '#src/application/migrations/take-back.ts';
import { migrationFindings } from '#src/application/migrations/verify.ts';
import { type Outcome, UsageError, defineCommand, defineGroup } from '../command.ts';
import { findingsOutcome } from '../findings.ts';
import { isCheckout, runCheckoutScript } from '../checkout-script.ts';
import { impactText } from '../impact-text.ts';
import { impactView } from '../impact-view.ts';
import {
  LINTER,
  acknowledgeDirectDdl,
  migrateOptions,
  migrationFacts,
  migrationImpact,
} from '../../migrations.ts';

const flag = { type: 'boolean', default: false } as const;

export const command = defineGroup({
  up: defineCommand({
    usage: ['[--dry-run]'],
    examples: ['dragonfly migrate up', 'dragonfly migrate up --dry-run'],
    options: { 'dry-run': flag },
    permission: 'schema:migrate',
    run: async ({ options, environment, progress }) => {
      const { migrator } = migrateOptions(environment);
      if (options['dry-run']) return await plan(migrator);
      progress('migrating');
      const { applied } = await migrateToLatest(migrator);
      return report('applied', applied);
    },
  }),
  down: defineCommand({
    usage: [''],
    examples: ['dragonfly migrate down --env dev'],
    permission: 'schema:migrate',
    run: async ({ environment }) => {
      const { env, migrator } = migrateOptions(environment);
      const { reverted } = await takeBackNewest(env, async () => await migrateDown(migrator));
      return report('reverted', reverted);
    },
  }),
  status: defineCommand({
    usage: [''],
    examples: ['dragonfly migrate status --json'],
    permission: 'platform:read',
    run: async ({ environment }) => {
      const status = await migrationStatus(migrateOptions(environment).migrator);
      const text = status
        .map(({ name, appliedAt }) => `${appliedAt?.toISOString() ?? 'pending'.padEnd(24)}  ${name}`)
        .join('\n');
      return { text, data: status.map(({ name, appliedAt }) => ({ name, appliedAt: appliedAt ?? null })) };
    },
  }),
  impact: defineCommand({
    usage: [''],
    examples: ['dragonfly migrate impact', 'dragonfly migrate impact --json'],
    permission: 'platform:read',
    run: async ({ environment }) => {
      const impact = await migrationImpact(environment);
      return { text: impactText(impact), data: impact.map(impactView) };
    },
  }),
  new: defineCommand({
    usage: ['DESCRIPTION [--owner TEAM] [--no-transaction]'],
    examples: [
      'dragonfly migrate new "add job labels"',
      'dragonfly migrate new "index job labels" --no-transaction',
    ],
    options: { owner: { type: 'string', default: 'platform' }, 'no-transaction': flag },
    permission: 'platform:read',
    positionals: 1,
    run: async ({ options, positionals: [description] }) => {
      if (description === undefined) throw new UsageError('DESCRIPTION is missing: a few words.');
      if (!isCheckout(LINTER))
        throw new UsageError('A migration is written in a checkout; this is an image.');
      const files = await writeMigration({
        folder: MIGRATIONS_FOLDER,
        description,
        owner: options.owner,
        transactional: !options['no-transaction'],
        now: new Date(),
      });
      return { text: files.map((file) => `written ${file}`).join('\n'), data: { files } };
    },
  }),
  verify: defineCommand({
    usage: ['[--scratch]'],
    examples: ['dragonfly migrate verify', 'dragonfly migrate verify --scratch --json'],
    options: { scratch: flag },
    permission: 'platform:read',
    run: async ({ options, environment, progress }) =>
      findingsOutcome(migrationFindings(await migrationFacts(environment, options.scratch, progress))),
  }),
  acknowledge: defineCommand({
    usage: ['--up-to ID --reason TEXT'],
    examples: [
      'dragonfly migrate acknowledge --up-to 17 --reason "index of incident 417, now in 20270101000000"',
    ],
    options: { 'up-to': { type: 'string' }, reason: { type: 'string' } },
    permission: 'schema:migrate',
    run: async ({ options: { 'up-to': upTo = '', reason = '' }, environment }) => {
      if (!/^\d{1,18}$/.test(upTo))
        throw new UsageError('--up-to is the number of the last entry that is meant.');
      if (reason.trim() === '') throw new UsageError('--reason is missing: why the change is right.');
      const entries = await acknowledgeDirectDdl(environment, upTo, reason);
      return { text: `acknowledged: ${entries}`, data: { entries } };
    },
  }),
  lint: defineCommand({
    usage: [''],
    examples: ['dragonfly migrate lint'],
    permission: 'platform:read',
    run: async ({ options: { json } }) => {
      const { code, output } = await runCheckoutScript(LINTER, json ? ['--json'] : [], json);
      return { text: '', data: json ? JSON.parse(output) : null, status: code === 0 ? 'pass' : 'fail' };
    },
  }),
});

async function plan(migrator: Parameters<typeof migrationPlan>[0]): Promise<Outcome> {
  const batches = await migrationPlan(migrator);
  const files = new Map((await readMigrations(MIGRATIONS_FOLDER)).map(({ name, up }) => [name, up]));
  const text = batches.flatMap(({ transactional, names }) => [
    transactional ? '-- ══ one transaction ══' : '-- ══ without a transaction ══',
    ...names.map((name) => `-- ── ${name}\n${files.get(name)?.trim() ?? ''}`),
  ]);
  return { text: text.length === 0 ? 'nothing to do' : text.join('\n\n'), data: { batches } };
}

const report = (verb: string, names: readonly string[]): Outcome => ({
  text: names.length === 0 ? 'nothing to do' : names.map((name) => `${verb} ${name}`).join('\n'),
  data: { [verb]: names },
});
