import type { IssuedKey } from '#src/application/access/api-keys.ts';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { apiKey, apiKeyId, issuedApiKey, newApiKey, rotation, toApiKey } from '../../schemas/api-key.ts';
import { decodeCursor, encodeCursor } from '../../schemas/cursor.ts';
import { NO_BODY_BYTES } from '../../schemas/no-body.ts';
import { contextOf, principalOf } from '../context-of.ts';
import type { Routes } from './routes.ts';

const SMALL_BODY_BYTES = 4096;

const listQuery = z.strictObject({
  limit: z.coerce
    .number<string>()
    .int()
    .min(1)
    .max(100)
    .default(50)
    .meta({ description: 'Most keys of a page.', examples: [20] }),
  cursor: z
    .string()
    .max(200)
    .optional()
    .meta({
      description: '`next_cursor` of the page before.',
      examples: [encodeCursor('019c1222-7c00-7d3b-9a54-3f1c6a2e8b91')],
    }),
});

const page = z.object({
  api_keys: z.array(apiKey),
  next_cursor: z.string().nullable().describe('Null on the last page.'),
});

export const apiKeyRoutes: Routes = (app, { apiKeys }, done) => {
  app.post(
    '/api-keys',
    {
      bodyLimit: SMALL_BODY_BYTES,
      config: {
        permission: 'api_keys:write',
        refusals: ['privilege_escalation', 'api_key_name_taken'],
        secretAnswer: true,
      },
      schema: {
        operationId: 'createApiKey',
        summary: 'Create an API key for a client',
        description: 'A client, known by its name, has one live key; rotate it for the next one.',
        tags: ['access'],
        body: newApiKey,
        response: { 201: issuedApiKey },
      },
    },
    async (request, reply) => {
      const { name, role, scopes = null, lifetime_days: lifetimeDays } = request.body;
      const asked = { name, role, scopes, lifetimeDays };
      return show(reply, await apiKeys.createKey(contextOf(request), principalOf(request), asked));
    },
  );

  app.post(
    '/api-keys/:id/rotate',
    {
      bodyLimit: SMALL_BODY_BYTES,
      config: {
        permission: 'api_keys:write',
        refusals: ['privilege_escalation', 'api_key_not_found', 'api_key_rotating'],
        secretAnswer: true,
      },
      schema: {
        operationId: 'rotateApiKey',
        summary: 'Create the next API key of a client',
        description: 'With the same rights. The old key ends after the overlap.',
        tags: ['access'],
        params: apiKeyId,
        body: rotation,
        response: { 201: issuedApiKey },
      },
    },
    async (request, reply) => {
      const { lifetime_days: lifetimeDays, overlap_hours: overlapHours } = request.body;
      const asked = { id: request.params.id, lifetimeDays, overlapHours };
      return show(reply, await apiKeys.rotateKey(contextOf(request), principalOf(request), asked));
    },
  );

  app.post(
    '/api-keys/:id/revoke',
    {
      bodyLimit: NO_BODY_BYTES,
      config: { permission: 'api_keys:write', refusals: ['api_key_not_found'] },
      schema: {
        operationId: 'revokeApiKey',
        summary: 'Revoke an API key',
        description: 'Every replica refuses it within five seconds. Can be repeated.',
        tags: ['access'],
        params: apiKeyId,
        response: { 200: apiKey },
      },
    },
    async (request) => toApiKey(await apiKeys.revokeKey(contextOf(request), request.params.id)),
  );

  app.get(
    '/api-keys',
    {
      config: { permission: 'api_keys:read', refusals: ['cursor_invalid'] },
      schema: {
        operationId: 'listApiKeys',
        summary: 'List the API keys of the organisation, newest first',
        description: 'Those that have ended, too. Pass `next_cursor` as `cursor` for the next page.',
        tags: ['access'],
        querystring: listQuery,
        response: { 200: page },
      },
    },
    async (request) => {
      const { cursor, limit } = request.query;
      const after = cursor === undefined ? undefined : decodeCursor(cursor, z.uuid());
      const { keys, next } = await apiKeys.listKeys(contextOf(request), after, limit);
      return {
        api_keys: keys.map(toApiKey),
        next_cursor: next === undefined ? null : encodeCursor(next),
      };
    },
  );
  done();
};

const show = (reply: FastifyReply, { key, secret }: IssuedKey) =>
  reply.code(201).send({ ...toApiKey(key), key: secret });
