import type { Finding } from '../checks/finding.ts';
import { type Deployment, phaseOf } from './deployment.ts';
import { type Phase, type PhaseEnd, passed, summaryOf } from './phase.ts';
import { lookAtSchemaChange, schemaChangeOf } from './schema-change.ts';
import type { QueueFreeze, ReleaseTools, Verifier } from './ports.ts';
import { watchErrors } from './watch.ts';

/** As long as a gate is good for. */
export const GATE_LIFE_MS = 3_600_000;

/** The sequence of a release (DEP-4), in its order. */
export const RELEASE_PHASES: readonly Phase[] = [
  {
    name: 'freeze',
    plan: () => 'no worker claims a job; what runs goes on',
    run: async (deployment, { queues }) => {
      if (!phaseOf(deployment, 'hard-gate')) await refuseFrozen(queues);
      await queues.freeze();
      return { summary: 'the queues are frozen' };
    },
    // While it waited to be gone on with, somebody may have unfrozen them.
    isStale: (deployment) => !phaseOf(deployment, 'unfreeze'),
  },
  {
    name: 'hard-gate',
    plan: ({ env, gitSha, migrations }) =>
      `the gate of ${env} lets ${gitSha} through${migrations.length > 0 ? ', and the impact of its migrations' : ''}`,
    run: async (deployment, tools) => {
      const { env, gitSha, previousSha } = deployment;
      await tools.target.check(gitSha, tools.signal);
      const looked = await lookAtSchemaChange(deployment, tools);
      const gate = await tools.hardGate(previousSha, tools.signal);
      const failed = gate.checks.filter(({ verdict }) => verdict !== 'pass').map(({ name }) => name);
      if (gate.sha !== gitSha) throw new Error(`The gate looked at ${gate.sha}.`);
      if (!gate.passed)
        throw new Error(`The gate is shut: ${failed.join(', ')}. What they said: ${gate.logs}`);
      const schemaChange = schemaChangeOf(env, looked, gate);
      return { summary: `${gate.checks.length} checks`, changes: { gate, schemaChange } };
    },
    isStale: (deployment, now) =>
      !phaseOf(deployment, 'migrate') && now - Date.parse(deployment.gate?.started_at ?? '') > GATE_LIFE_MS,
  },
  {
    name: 'soft-gate',
    plan: () => 'looks at HTTP edge, pooler and notifications; only warns',
    run: async (_, { softGate }) => {
      const findings = await softGate();
      return { summary: summaryOf(findings) };
    },
  },
  {
    name: 'migrate',
    plan: ({ migrations }) =>
      migrations.length === 0 ? 'nothing is pending' : `all or none of ${migrations.join(', ')}`,
    run: async (_, { migrations }) => {
      const applied = await migrations.up();
      return { summary: applied.length === 0 ? 'nothing was pending' : `applied ${applied.join(', ')}` };
    },
  },
  {
    name: 'verify',
    plan: (_, { verifiers }) => verifiers.map(({ name }) => name).join(', '),
    run: async (_, { verifiers, strict }) => {
      const findings = await Promise.all(verifiers.map(findingsOf));
      return passed(findings.flat(), strict);
    },
  },
  {
    name: 'deploy',
    plan: ({ gitSha }, { target }) => target.describe(gitSha),
    run: async ({ gitSha: sha, id }, { target, signal, progress }) => ({
      summary: await target.deploy({ sha, id, signal, progress }),
    }),
  },
  {
    name: 'unfreeze',
    plan: () => 'workers claim again',
    run: async (_, { queues }) => await unfrozen(queues),
  },
  {
    name: 'smoke',
    plan: () => 'what DEP-3 asks for, with one job there and back; else it goes back at once',
    run: async ({ gitSha }, tools) => await smoked(gitSha, tools),
  },
  {
    name: 'watch',
    plan: (_, { means }) => `errors and restarts for ${means.watchMs / 1000} s; else it goes back at once`,
    run: async ({ gitSha }, tools) => ({ summary: await watchErrors(gitSha, tools) }),
  },
];

/** A release would end what somebody else began, and no job of its smoke test would run before. */
async function refuseFrozen(queues: QueueFreeze): Promise<void> {
  const holder = await queues.heldBy();
  if (holder !== undefined)
    throw new Error(
      `The queues are frozen ${holder}, and not by a release, which would unfreeze them at its end: do that first, by \`dragonfly queues unfreeze\`.`,
    );
}

/** Again, as far as it was a release that froze them. */
export async function unfrozen(queues: QueueFreeze): Promise<{ readonly summary: string }> {
  await queues.unfreeze();
  const holder = await queues.heldBy();
  return { summary: holder === undefined ? 'the queues are not frozen' : `the queues stay frozen ${holder}` };
}

/** Without a job while somebody keeps the queues frozen, which is no fault of the commit, nor when it is done in the midst of it. */
export async function smoked(
  sha: string,
  { smoke, queues, strict }: Pick<ReleaseTools, 'smoke' | 'queues' | 'strict'>,
): Promise<PhaseEnd> {
  const before = await queues.heldBy();
  const found = await smoke(sha, { job: before === undefined });
  const holder = before ?? (await queues.heldBy());
  if (holder === undefined) return passed(found, strict);
  const others = found.filter(({ check }) => check !== 'job');
  const { summary } = passed(others, strict);
  return { summary: `${summary}; no job was seen there and back, for the queues are frozen ${holder}` };
}

/** Fail-closed: who found nothing, not even that all is well, has not looked. */
async function findingsOf({ name, verify }: Verifier): Promise<readonly Finding[]> {
  const findings = await verify();
  if (findings.length === 0) throw new Error(`${name} looked at nothing.`);
  return findings;
}

/** From here on something of the release may serve. */
export const hasDeployed = (deployment: Deployment): boolean => phaseOf(deployment, 'deploy') !== undefined;
