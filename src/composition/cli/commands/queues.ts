import type { Freeze } from '#src/application/queue/operation.ts';
import { operate } from '#src/composition/queue-operation.ts';
import { type Outcome, defineCommand, defineGroup } from '../command.ts';

export const command = defineGroup({
  status: defineCommand({
    usage: [''],
    examples: ['dragonfly queues status'],
    permission: 'platform:read',
    run: async ({ environment }) =>
      statusOf(await operate(environment, async (queues) => await queues.frozen())),
  }),
  freeze: defineCommand({
    usage: [''],
    examples: ['dragonfly queues freeze'],
    permission: 'workers:write',
    run: async ({ environment }) =>
      await operate(environment, async (queues) => {
        await queues.freeze();
        return statusOf(await queues.frozen());
      }),
  }),
  unfreeze: defineCommand({
    usage: [''],
    examples: ['dragonfly queues unfreeze'],
    permission: 'workers:write',
    run: async ({ environment }) =>
      await operate(environment, async (queues) => {
        await queues.unfreeze();
        return statusOf(await queues.frozen());
      }),
  }),
});

const statusOf = (freeze: Freeze | null): Outcome => ({
  text: freeze ? textOf(freeze) : 'not frozen: workers claim jobs',
  data: { frozen_since: freeze?.since ?? null, frozen_by: freeze?.by ?? null },
});

const textOf = ({ since, by, releasing }: Freeze): string =>
  `frozen since ${since} (${by ?? 'an operator'}${releasing ? ', until it ends' : ''}): no worker claims a job, what runs goes on`;
