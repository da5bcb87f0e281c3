import { runCheckoutScript } from '../checkout-script.ts';
import { UsageError, defineCommand } from '../command.ts';

const flag = { type: 'boolean', default: false } as const;
const FLAGS = ['json', 'strict', 'gate', 'quiet', 'prove'] as const;

/** The laws and what enforces them, which only a checkout has: the image holds neither tests nor the gate. */
export const command = defineCommand({
  usage: ['[--quiet] [--gate]', '--prove [--sample N] [LAW…]'],
  examples: ['dragonfly constitution --quiet', 'dragonfly constitution --prove AV-1 SEC-3'],
  options: { gate: flag, quiet: flag, prove: flag, sample: { type: 'string' } },
  permission: 'platform:read',
  positionals: Number.MAX_SAFE_INTEGER,
  run: async ({ options, positionals }) => {
    const { json, sample } = options;
    const args = [
      ...FLAGS.filter((name) => options[name]).map((name) => `--${name}`),
      ...(sample === undefined ? [] : ['--sample', sample]),
      ...positionals,
    ];
    const { code, output } = await runCheckoutScript('scripts/constitution/main.ts', args, json);
    if (code === 2) throw new UsageError('These options do not go together.');
    return { text: '', data: json ? JSON.parse(output) : null, status: code === 0 ? 'pass' : 'fail' };
  },
});
