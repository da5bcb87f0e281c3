import { runUntilSignal } from '#src/composition/lifecycle.ts';
import { SERVING } from '#src/composition/serving.ts';
import { defineCommand } from '../command.ts';

/** Has nothing to print: it has just begun to serve. */
export const serveAs = (name: keyof typeof SERVING) =>
  defineCommand({
    usage: [''],
    examples: [`dragonfly ${name}`, `dragonfly ${name} --env staging`],
    permission: 'platform:read',
    run: async ({ environment }) => {
      await runUntilSignal(async () => {
        const { serve } = await import('#src/composition/serve.ts');
        return await serve(SERVING[name], environment);
      });
      return { text: '', data: null };
    },
  });
