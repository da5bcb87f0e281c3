import { z } from 'zod';
import type { Finding } from '../checks/finding.ts';
import { startOf } from './start-of.ts';
import type { Looked } from './round.ts';
import { critical, ok } from './smoke-finding.ts';

const problem = z.object({
  type: z.url(),
  status: z.int(),
  code: z.string().regex(/^[a-z_]+$/),
  trace_id: z.string().regex(/^[0-9a-f]{32}$/),
});

/** API-3: an error is a problem document. */
export function judgeProblem(check: string, looked: Looked, status: number): Finding {
  if (looked instanceof Error) return critical(check, `no answer: ${looked.message}`);
  if (looked.status !== status)
    return critical(check, `${looked.status} instead of ${status}: ${startOf(looked)}`);
  const type = looked.headers['content-type'] ?? 'missing';
  if (!type.startsWith('application/problem+json')) return critical(check, `its content-type is ${type}`);
  const { data, error } = problem.safeParse(parsed(looked.text));
  if (error)
    return critical(check, `not a problem document: ${z.prettifyError(error).replaceAll('\n', ' ')}`);
  return data.status === status
    ? ok(check, `${status} ${data.code}`)
    : critical(check, `the document of a ${status} says ${data.status}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
