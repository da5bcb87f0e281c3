import type { Deployment } from '#src/application/release/deployment.ts';
import type { DeploymentLog } from '#src/application/release/ports.ts';
import type { Row, SqlQuery } from './pool.ts';

type Run = (query: SqlQuery) => Promise<Row[]>;

const NEWEST = 1000;
const SELECT =
  'select id, env, kind, git_sha, previous_sha, target, actor, started_at, ended_at, status, phases, gate, schema_version, migrations, schema_change from ops.deployments';

/** @param run statements as the owner of the schema */
export function postgresDeploymentLog(run: Run): DeploymentLog {
  const find = async (rest: string, values: readonly unknown[]): Promise<Deployment[]> =>
    (await run({ text: `${SELECT} ${rest}`, values })).map(toDeployment);
  return {
    running: async (env) => (await find("where env = $1 and status = 'running'", [env]))[0],
    history: async (env) =>
      await find("where env = $1 and status <> 'running' order by started_at desc, id desc limit $2", [
        env,
        NEWEST,
      ]),
    save: async (deployment) => {
      const values = [JSON.stringify(toRow(deployment))];
      await run({ text: 'select ops.record_deployment($1)', values });
    },
  };
}

/** Newest first, running ones too, of every environment or of one. */
export const listDeployments = async (
  run: Run,
  env: string | undefined,
  most: number,
): Promise<Deployment[]> =>
  (
    await run({
      text: `${SELECT} where $1::text is null or env = $1 order by started_at desc, id desc limit $2`,
      values: [env ?? null, most],
    })
  ).map(toDeployment);

export async function findDeployment(run: Run, id: string): Promise<Deployment | undefined> {
  const [row] = await run({ text: `${SELECT} where id = $1`, values: [id] });
  return row && toDeployment(row);
}

/** Whether the schema is new enough to have a log. */
export async function hasDeploymentLog(run: Run): Promise<boolean> {
  const text = "select to_regprocedure('ops.record_deployment(jsonb)') is not null as found";
  return (await run({ text, values: [] }))[0]?.['found'] === true;
}

const toRow = (deployment: Deployment) => ({
  id: deployment.id,
  env: deployment.env,
  kind: deployment.kind,
  git_sha: deployment.gitSha,
  previous_sha: deployment.previousSha,
  target: deployment.target,
  actor: deployment.actor,
  started_at: deployment.startedAt,
  ended_at: deployment.endedAt,
  status: deployment.status,
  phases: deployment.phases,
  gate: deployment.gate,
  schema_version: deployment.schema,
  migrations: deployment.migrations,
  schema_change: deployment.schemaChange,
});

const toDeployment = (row: Row): Deployment =>
  ({
    id: row['id'],
    env: row['env'],
    kind: row['kind'],
    gitSha: row['git_sha'],
    previousSha: row['previous_sha'],
    target: row['target'],
    actor: row['actor'],
    startedAt: row['started_at'],
    endedAt: row['ended_at'],
    status: row['status'],
    phases: row['phases'],
    gate: row['gate'],
    schema: row['schema_version'],
    migrations: row['migrations'],
    schemaChange: row['schema_change'],
  }) as Deployment;
