import fp from 'fastify-plugin';

export const SHA_HEADER = 'x-dragonfly-sha';

/** DEP-1: every answer says which commit gave it. */
export const shaHeader = fp<{ gitSha: string }>(
  (app, { gitSha }, done) => {
    app.addHook('onRequest', (_request, reply, next) => {
      reply.header(SHA_HEADER, gitSha);
      next();
    });
    done();
  },
  { name: 'sha-header' },
);
