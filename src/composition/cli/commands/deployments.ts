import { findDeployment, listDeployments } from '#src/adapters/outbound/postgres/deployment-log.ts';
import { type SqlQuery, query } from '#src/adapters/outbound/postgres/pool.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { SchemaChange } from '#src/application/release/deployment.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { UsageError, defineCommand, defineGroup } from '../command.ts';
import { deploymentView } from '../deployment-view.ts';
import { impactText } from '../impact-text.ts';
import { fieldsTable, tableOf } from '../table.ts';
import { UUID } from '../uuid.ts';

const FIELDS = [
  'id',
  'env',
  'kind',
  'git_sha',
  'previous_sha',
  'status',
  'started_at',
  'ended_at',
  'actor',
] as const;
const HEAD = [...FIELDS, 'target', 'schema', 'migrations'] as const;

export const command = defineGroup({
  list: defineCommand({
    usage: ['[--env ENV] [--limit 1…1000]'],
    examples: ['dragonfly deployments list --env prod --limit 5'],
    options: { limit: { type: 'string', default: '20' } },
    permission: 'releases:read',
    run: async ({ options: { env, limit }, environment }) => {
      if (!/^(?:[1-9]\d{0,2}|1000)$/.test(limit)) throw new UsageError('--limit: 1 to 1000.');
      const data = (await listDeployments(reading(environment), env, Number(limit))).map(deploymentView);
      return { text: fieldsTable(FIELDS, data), data };
    },
  }),
  show: defineCommand({
    usage: ['ID'],
    examples: ['dragonfly deployments show 0198c5d2-4f7b-7c3e-9a51-0b7d5e6f8a90 --json'],
    permission: 'releases:read',
    positionals: 1,
    run: async ({ positionals: [id = ''], environment }) => {
      if (!UUID.test(id)) throw new UsageError('ID: that of a deployment, a UUID.');
      const deployment = await findDeployment(reading(environment), id);
      if (!deployment) throw new Error(`There is no deployment ${id}.`);
      const data = deploymentView(deployment);
      return { text: textOf(data, deployment.schemaChange), data };
    },
  }),
});

const reading = (environment: Environment) => async (statement: SqlQuery) =>
  await withPool(
    { url: loadConfig(['release'], environment).DRAGONFLY_OWNER_DATABASE_URL },
    'dragonfly-deployments',
    async (pool) => await query(pool, statement),
  );

function textOf(view: ReturnType<typeof deploymentView>, change: SchemaChange | null): string {
  const { phases, gate } = view;
  const facts = HEAD.map((name) => `${name}: ${String(view[name])}`);
  const lines = phases.map(({ name, status, actor, started_at, ended_at, summary }) => [
    name,
    status,
    actor,
    started_at,
    ended_at ?? '-',
    summary,
  ]);
  const checks = gate?.checks.map(({ name, verdict }) => [name, verdict]) ?? [];
  const carried = change ? ['', triageText(change), '', impactText(change.impact)] : [];
  return [...facts, '', tableOf(lines), '', tableOf(checks), ...carried].join('\n').trimEnd();
}

function triageText({ scan, triage }: SchemaChange): string {
  const scanned = scan ? `${scan.check}: ${scan.verdict} at ${scan.at}` : 'no scan of the dependencies';
  const accepted = triage.map(({ advisory, dependency, until, approver, reason }) => [
    advisory,
    dependency,
    `until ${until}`,
    approver,
    reason,
  ]);
  return `${scanned}; accepted advisories: ${accepted.length === 0 ? 'none' : `\n${tableOf(accepted)}`}`;
}
