import fp from 'fastify-plugin';
import { HttpError } from '../problems/http-error.ts';

/** All ranges that JSON is in, the most specific first, which decides (RFC 9110, section 12.5.1). */
const RANGES = ['application/json', 'application/*', '*/*'] as const;
const NOTHING = /^q=0(?:\.0*)?$/;

/** Refuses who cannot read an answer, before anything is done for it. Errors are problem details whatever is accepted. */
export const acceptable = fp(
  (app, _options, done) => {
    app.addHook('onRequest', (request, _reply, next) => {
      const { accept } = request.headers;
      const isPage = request.routeOptions.config.permission === undefined;
      next(
        isPage || accept === undefined || acceptsJson(accept) ? undefined : new HttpError('not_acceptable'),
      );
    });
    done();
  },
  { name: 'acceptable', dependencies: ['route-policy'] },
);

function acceptsJson(accept: string): boolean {
  if (accept === '*/*' || accept === 'application/json' || accept === '') return true;
  const ranges = new Map(
    accept.split(',').map((range) => {
      const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
      return [type, !parameters.some((parameter) => NOTHING.test(parameter))];
    }),
  );
  const decisive = RANGES.find((range) => ranges.has(range));
  return decisive !== undefined && ranges.get(decisive) === true;
}
