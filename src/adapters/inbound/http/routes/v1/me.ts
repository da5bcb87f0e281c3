import { z } from 'zod';
import { permission, role } from '../../schemas/api-key.ts';
import { formatted } from '../../schemas/response-types.ts';
import { contextOf, principalOf } from '../context-of.ts';
import type { Routes } from './routes.ts';

const me = z
  .object({
    actor: z.string().describe('As audit log and jobs name you: `api_key:<id>`.'),
    organization: z.object({ id: formatted('uuid'), name: z.string() }),
    role,
  })
  .meta({ id: 'Me' });

export const meRoutes: Routes = (app, { apiKeys }, done) => {
  app.get(
    '/me',
    {
      config: { permission: 'me:read' },
      schema: {
        operationId: 'getMe',
        summary: 'Who you are',
        tags: ['access'],
        response: { 200: me },
      },
    },
    async (request) => {
      const { actor, organizationId, role } = principalOf(request);
      const name = await apiKeys.organizationName(contextOf(request));
      return { actor, organization: { id: organizationId, name }, role };
    },
  );

  app.get(
    '/me/permissions',
    {
      config: { permission: 'me:read' },
      schema: {
        operationId: 'getMyPermissions',
        summary: 'What you may do',
        tags: ['access'],
        response: { 200: z.object({ permissions: z.array(permission) }) },
      },
    },
    (request) => ({ permissions: [...principalOf(request).permissions] }),
  );
  done();
};
