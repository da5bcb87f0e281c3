import fastifySwaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';

/** Swagger UI's own assets and nothing else; the plugin's own policy would force https on a local server. */
const CONTENT_SECURITY_POLICY = {
  'default-src': "'self'",
  'base-uri': "'self'",
  'frame-ancestors': "'none'",
  'img-src': ["'self'", 'data:'],
  'object-src': "'none'",
};

/** The contract as a page under /docs, with the headers that a page needs (SEC-14). */
export const docs = fp(
  (app, _options, done) => {
    app.register(fastifySwaggerUi, { routePrefix: '/docs', staticCSP: CONTENT_SECURITY_POLICY });
    done();
  },
  { name: 'docs', dependencies: ['openapi'] },
);
