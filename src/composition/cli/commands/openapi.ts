import { renderOpenApi } from '#src/composition/openapi.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  usage: [''],
  examples: ['dragonfly openapi > openapi.json'],
  permission: 'platform:read',
  run: async () => {
    const text = await renderOpenApi();
    return { text: text.trimEnd(), data: JSON.parse(text) as unknown };
  },
});
