import fp from 'fastify-plugin';

/**
 * AV-6: an answer that leaves while the server closes says so. Node only closes the connections that are idle at that
 * moment; the others would be waited for until their keep-alive ends.
 */
export const connectionClose = fp(
  (app, _options, done) => {
    let closing = false;
    app.addHook('preClose', (next) => {
      closing = true;
      next();
    });
    app.addHook('onSend', (_request, reply, payload, next) => {
      if (closing) reply.header('connection', 'close');
      next(null, payload);
    });
    done();
  },
  { name: 'connection-close' },
);
