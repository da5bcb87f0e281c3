import { describe, expect, it } from 'vitest';
import { renderOpenApi } from '#src/composition/openapi.ts';
import { testApi } from '../http/setup.ts';
import { COMMITTED, document, operations } from './document.ts';

const isProbe = ({ tags }: { tags: readonly string[] }): boolean => tags.includes('probes');

describe('[API-1] the committed contract', () => {
  it('is what the routes say; `npm run generate` writes it', async () => {
    expect(await renderOpenApi()).toBe(COMMITTED);
  });

  it('is OpenAPI 3.1', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it('has every route', async () => {
    const { app } = await testApi();
    const missing = operations.filter(
      ({ method, path }) => !app.hasRoute({ method, url: path.replaceAll(/\{(\w+)\}/g, ':$1') }),
    );
    expect(missing).toEqual([]);
    const routes = app.printRoutes({ commonPrefix: false }).matchAll(/\((.*)\)/g);
    const served = [...routes].flatMap(([, methods = '']) => methods.split(', '));
    const documented = served.filter((method) => method !== 'HEAD' && method !== 'OPTIONS');
    expect(documented).toHaveLength(operations.length);
  });

  it.for(operations)('$name has an id and a summary', ({ operationId, summary }) => {
    expect(operationId).toMatch(/^[a-z][A-Za-z]+$/);
    expect(summary).toMatch(/^[A-Z]/);
  });

  it.for(operations.filter(isProbe))('$name needs no key', ({ security }) => {
    expect(security).toEqual([]);
  });

  it.for(operations.filter(({ method }) => method !== 'GET'))(
    '[API-5] $name takes an Idempotency-Key and has its problems',
    ({ parameters = [], responses }) => {
      expect(parameters).toContainEqual(
        expect.objectContaining({ in: 'header', name: 'Idempotency-Key', required: false }),
      );
      for (const status of ['409', '422']) {
        const { examples } = responses[status]?.content?.['application/problem+json'] ?? {};
        const codes = Object.keys(examples ?? {}).filter((code) => code.startsWith('idempotency_'));
        expect(codes.length).toBeGreaterThan(0);
      }
      const done = Object.entries(responses).filter(([status]) => status.startsWith('2'));
      for (const [, { headers }] of done) expect(headers).toHaveProperty('idempotency-replayed');
    },
  );

  it.for(operations.filter((operation) => !isProbe(operation)))(
    '$name needs a key and has its problems',
    ({ security, method, responses, requestBody, parameters = [] }) => {
      expect(security).toEqual([{ apiKey: [] }]);
      const statuses = ['400', '401', '406', '408', '429', '431', '500', '503'];
      if (method === 'POST') statuses.push('413', '415');
      if (parameters.some((parameter) => parameter.in === 'path')) statuses.push('414');
      if (requestBody || parameters.length > 0) statuses.push('422');
      for (const status of statuses) {
        expect(responses[status]?.content).toHaveProperty(['application/problem+json']);
      }
    },
  );
});
