import type { Socket } from 'node:net';
import fp from 'fastify-plugin';

/**
 * AV-6: an answer that leaves while the server closes says so, and a connection on which nothing was ever asked is ended.
 * Node itself ends those that are idle between two requests at that moment, and would wait for all others.
 */
export const connectionClose = fp(
  (app, _options, done) => {
    const sockets = new Set<Socket>();
    let closing = false;

    app.server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    app.addHook('preClose', (next) => {
      closing = true;
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
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
