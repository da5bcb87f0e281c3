import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { loadConfig } from '#src/config/load.ts';
import { UsageError, defineCommand } from '../command.ts';
import { UUID } from '../uuid.ts';

export const command = defineCommand({
  usage: ['--organization ID'],
  examples: ['dragonfly webhook-secret --organization 019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071'],
  options: { organization: { type: 'string' } },
  permission: 'secrets:read',
  run: ({ options: { organization }, environment }) => {
    // Any text would give a secret, and only the organisation's own id the right one.
    if (!organization || !UUID.test(organization))
      throw new UsageError('--organization: its id, a UUID, and not its name.');
    const config = loadConfig(['webhook-secret'], environment);
    const secret = signingSecret(config.DRAGONFLY_WEBHOOK_SECRET[0], organization);
    return Promise.resolve({ text: secret, data: { secret } });
  },
});
