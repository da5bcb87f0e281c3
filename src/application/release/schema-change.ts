import type { MigrationImpact } from '../migrations/impact.ts';
import type { Deployment, GateRecord, SchemaChange } from './deployment.ts';
import type { ReleaseTools } from './ports.ts';

/** The check of the gate that asks the registry for advisories. */
const SCAN = 'advisories';

type Looked = Omit<SchemaChange, 'scan'>;

/**
 * Triage and impact of the migrations that a release would apply, before its gate; null without any.
 *
 * @throws Error for one that cannot be told, or that could not be taken back in prod
 */
export async function lookAtSchemaChange(
  { env, migrations }: Pick<Deployment, 'env' | 'migrations'>,
  { triage, impact, clock }: Pick<ReleaseTools, 'triage' | 'impact' | 'clock'>,
): Promise<Looked | null> {
  if (migrations.length === 0) return null;
  const looked = { triage: await triage(), impact: await impact(migrations) };
  const today = new Date(clock.now()).toISOString().slice(0, 10);
  const expired = looked.triage.find(({ until }) => until < today);
  if (expired) throw new Error(`What was accepted of ${expired.advisory} ended on ${expired.until}.`);
  const unknown = migrations.find((name) => !looked.impact.some((one) => one.name === name));
  if (unknown !== undefined) throw new Error(`Nobody knows what ${unknown} does to the schema.`);
  if (env === 'prod') refuseOneWay(looked.impact);
  return looked;
}

function refuseOneWay(impact: readonly MigrationImpact[]): void {
  const oneWay = impact.find(({ isBreaking, rollback }) => isBreaking && rollback === null);
  if (oneWay)
    throw new Error(
      `${oneWay.name} breaks the release before, and nothing is prepared to take it back: expand first and contract in a later release, or prepare migrations/rollback/…_rollback_<issue> with "-- Takes back: ${oneWay.name}" (DATA-2).`,
    );
}

/** @throws Error without a scan that passed, outside dev */
export function schemaChangeOf(env: string, looked: Looked | null, gate: GateRecord): SchemaChange | null {
  if (!looked) return null;
  const verdict = gate.checks.find(({ name }) => name === SCAN)?.verdict;
  if (env !== 'dev' && verdict !== 'pass')
    throw new Error(
      `A release with migrations needs a scan of its dependencies that passed (DEP-2): the check ${SCAN} ${verdict === undefined ? 'did not run' : `says ${verdict}`}.`,
    );
  const scan = verdict === undefined ? null : { check: SCAN, verdict, at: gate.started_at };
  return { scan, ...looked };
}
