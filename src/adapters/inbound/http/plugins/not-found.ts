import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';
import { routingFaultOf } from '../routing-faults.ts';

/**
 * What matches no route takes the way of the scope in which this is registered: an unknown path, a URL that no route can
 * have, and a method that the path does not have. OPTIONS is answered here for every path.
 */
export const notFound = fp(
  (app, _options, done) => {
    // Before the body is read, of which nothing is needed.
    app.addHook('onRequest', (request, reply, next) => {
      if (request.is404) answer(request, reply, next);
      else next();
    });
    // Whatever calls it from a route: CORS, for OPTIONS that is no preflight.
    app.setNotFoundHandler((request, reply) => {
      answer(request, reply, (error) => void reply.send(error));
    });
    done();
  },
  { name: 'not-found', dependencies: ['allowed-methods', 'problem-details'] },
);

function answer(request: FastifyRequest, reply: FastifyReply, refuse: (error: HttpError) => void): void {
  const fault = routingFaultOf(request.raw);
  const allowed = request.server.allowedMethods(request.raw.url?.split('?', 1)[0] ?? '');
  if (fault || allowed === undefined) {
    refuse(new HttpError(fault ?? 'route_not_found'));
    return;
  }
  if (request.method === 'OPTIONS') {
    reply.header('allow', allowed).code(204).send();
  } else if (allowed.split(', ').includes(request.method)) {
    // A page has one route for all its files, whether they are there or not.
    refuse(new HttpError('route_not_found'));
  } else {
    reply.header('allow', allowed);
    refuse(new HttpError('method_not_allowed'));
  }
}
