import { z } from 'zod';
import { auditEntry, toAuditEntry } from '../../schemas/audit.ts';
import { decodeCursor, encodeCursor } from '../../schemas/cursor.ts';
import { text } from '../../schemas/text.ts';
import { timestamp } from '../../schemas/timestamp.ts';
import { contextOf } from '../context-of.ts';
import type { Routes } from './routes.ts';

const position = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .transform(Number);

const listQuery = z.strictObject({
  action: text(100)
    .optional()
    .meta({ description: 'Only acts of this kind.', examples: ['job.cancel'] }),
  actor: text(200)
    .optional()
    .meta({
      description: 'Only what this actor did.',
      examples: ['api_key:019c1222-7c00-7d3b-9a54-3f1c6a2e8b90'],
    }),
  from: timestamp
    .optional()
    .meta({ description: 'At this time or later.', examples: ['2026-01-31T00:00:00Z'] }),
  before: timestamp.optional().meta({ description: 'Before this time.', examples: ['2026-02-01T00:00:00Z'] }),
  limit: z.coerce
    .number<string>()
    .int()
    .min(1)
    .max(100)
    .default(50)
    .meta({ description: 'Most entries of a page.', examples: [20] }),
  cursor: z
    .string()
    .max(200)
    .optional()
    .meta({ description: '`next_cursor` of the page before.', examples: [encodeCursor(1042)] }),
});

const page = z.object({
  entries: z.array(auditEntry),
  next_cursor: z.string().nullable().describe('Null on the last page.'),
});

export const auditRoutes: Routes = (app, { audit }, done) => {
  app.get(
    '/audit',
    {
      config: { permission: 'audit:read', refusals: ['cursor_invalid'] },
      schema: {
        operationId: 'listAuditEntries',
        summary: 'List administrative acts, newest first',
        description:
          'Pass `next_cursor` as `cursor` for the next page, until it is null; what is recorded meanwhile does not move it. A page may hold fewer entries than the limit, or none, while what is asked for is rare.',
        tags: ['audit'],
        querystring: listQuery,
        response: { 200: page },
      },
    },
    async (request) => {
      const { action, actor, from, before, limit, cursor } = request.query;
      const { entries, next } = await audit.listEntries(
        contextOf(request),
        { action, actor, from, before },
        cursor === undefined ? undefined : decodeCursor(cursor, position),
        limit,
      );
      return {
        entries: entries.map(toAuditEntry),
        next_cursor: next === undefined ? null : encodeCursor(next),
      };
    },
  );
  done();
};
