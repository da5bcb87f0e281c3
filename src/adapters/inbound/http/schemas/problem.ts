import { z } from 'zod';
import { PROBLEM_TYPES } from '../problems/problems.ts';
import { formatted, integer } from './response-types.ts';

/** The shape of every error, for the OpenAPI document; problems.ts makes them. */
export const problem = z
  .object({
    type: formatted('uri'),
    title: z.string(),
    status: integer(),
    detail: z.string(),
    code: z.enum(Object.keys(PROBLEM_TYPES)).meta({
      description: 'There will be more; treat one that you do not know by its status.',
      'x-extensible': true,
    }),
    trace_id: z.string(),
    errors: z
      .array(
        z.object({
          pointer: z
            .string()
            .optional()
            .meta({ description: 'JSON pointer into the body.', examples: ['#/payload/url'] }),
          parameter: z.string().optional().describe('Name of a parameter of query or path.'),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });
