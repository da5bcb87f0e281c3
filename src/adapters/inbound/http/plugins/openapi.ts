import fastifySwagger from '@fastify/swagger';
import fp from 'fastify-plugin';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import manifest from '../../../../../package.json' with { type: 'json' };
import { completeDocument } from '../openapi-document.ts';
import { documentOperation } from '../openapi-operation.ts';

/** API-1: the contract, derived from the routes that are registered after it. */
export const openapi = fp(
  (app, _options, done) => {
    app.register(fastifySwagger, {
      openapi: {
        openapi: '3.1.1',
        info: {
          title: 'Dragonfly',
          version: manifest.version,
          description: 'Queue jobs and see what becomes of them. Errors are problem details (RFC 9457).',
          license: { name: manifest.license, identifier: manifest.license },
        },
        servers: [{ url: '/' }],
        tags: [
          { name: 'jobs', description: 'Work to be done' },
          { name: 'queues', description: 'The jobs of one type' },
          { name: 'access', description: 'API keys and what they may do' },
          { name: 'workers', description: 'Who does the work' },
          { name: 'audit', description: 'Who did what to the service' },
          { name: 'probes', description: 'For whatever runs the service' },
        ],
        components: {
          securitySchemes: {
            apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, `dfk_…`.' },
          },
        },
      },
      transform: ({ schema, route, ...document }) =>
        jsonSchemaTransform({ ...document, route, schema: documentOperation(schema, route) }),
      transformObject: (document) => completeDocument(jsonSchemaTransformObject(document)),
    });
    done();
  },
  { name: 'openapi' },
);
