import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import {
  PROBLEM_MEDIA_TYPE,
  PROBLEM_TYPES,
  type ProblemCode,
  problemOf,
  refusalOf,
} from '../problems/problems.ts';
import { routeOf } from '../route-of.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Why the request was refused, for the log. */
    problemCode: ProblemCode | null;
  }
}

/** API-3, AV-5: every error is a problem detail by the one table of problems.ts. What is not in it is logged, once (OBS-2). */
export const problemDetails = fp(
  (app, _options, done) => {
    app.decorateReply('problemCode', null);
    app.setErrorHandler(sendProblem);
    done();
  },
  { name: 'problem-details' },
);

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  // A string passes by the response schemas, which are those of success.
  reply.send(becomeProblem(error, request, reply));
  // What the handler still says is nobody's answer: Fastify would log it, with the URL.
  if (reply.problemCode === 'answer_timeout') reply.hijack();
}

/** Makes the reply a problem, whatever it was before. @returns its body */
export function becomeProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): string {
  const problem = problemOf(refusalOf(error), request.id);
  const { headers } = PROBLEM_TYPES[problem.code];
  if (headers) reply.headers(headers);
  reply.problemCode = problem.code;
  if (problem.code === 'internal_error' || problem.code === 'answer_timeout') {
    request.log.error({ error, route: routeOf(request) }, 'unhandled exception');
  }
  reply.code(problem.status).header('x-trace-id', request.id).type(`${PROBLEM_MEDIA_TYPE}; charset=utf-8`);
  return JSON.stringify(problem);
}
