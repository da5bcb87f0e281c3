import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';
import { routingFaultOf } from '../routing-faults.ts';

/** An unknown route, or a URL that no route can have, takes the way of the scope in which this is registered. */
export const notFound = fp(
  (app, _options, done) => {
    app.setNotFoundHandler((request) => {
      throw new HttpError(routingFaultOf(request.raw) ?? 'route_not_found');
    });
    done();
  },
  { name: 'not-found', dependencies: ['problem-details'] },
);
