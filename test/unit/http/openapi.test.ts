import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { renderOpenApi } from '../../../scripts/openapi.ts';
import { testApi } from './setup.ts';

const committed = await readFile(new URL('../../../openapi/openapi.json', import.meta.url), 'utf8');

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly object[];
  readonly responses: Record<string, { content?: Record<string, unknown> }>;
}
const { openapi, paths } = JSON.parse(committed) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) =>
    Object.assign(operation, { name: `${method.toUpperCase()} ${path}` }),
  ),
);

const isProbe = ({ tags }: Operation): boolean => tags.includes('probes');

describe('[API-1] the committed contract', () => {
  it('is what the routes say; `npm run generate` writes it', async () => {
    expect(await renderOpenApi()).toBe(committed);
  });

  it('is OpenAPI 3.1', () => {
    expect(openapi).toMatch(/^3\.1\./);
  });

  it('has every route', async () => {
    const { app } = await testApi();
    const missing = operations.filter(({ name }) => {
      const [method = '', path = ''] = name.split(' ');
      return !app.hasRoute({ method, url: path.replaceAll(/\{(\w+)\}/g, ':$1') });
    });
    expect(missing).toEqual([]);
    const routes = app.printRoutes({ commonPrefix: false }).matchAll(/\((.*)\)/g);
    const served = [...routes].flatMap(([, methods = '']) => methods.split(', '));
    const documented = served.filter((method) => method !== 'HEAD' && method !== 'OPTIONS');
    expect(documented).toHaveLength(operations.length);
  });

  it.for(operations)('$name has an id, a summary, and a tag', ({ operationId, summary, tags }) => {
    expect(operationId).toMatch(/^[a-z][A-Za-z]+$/);
    expect(summary).toMatch(/^[A-Z]/);
    expect(tags).toHaveLength(1);
  });

  it.for(operations.filter(isProbe))('$name needs no key', ({ security }) => {
    expect(security).toEqual([]);
  });

  it.for(operations.filter((operation) => !isProbe(operation)))(
    '$name needs a key and has its problems',
    ({ security, responses }) => {
      expect(security).toEqual([{ apiKey: [] }]);
      for (const status of ['400', '401', '429', '500', '503']) {
        expect(responses[status]?.content).toHaveProperty(['application/problem+json']);
      }
    },
  );

  it('names no operation twice', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
