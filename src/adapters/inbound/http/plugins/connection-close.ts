import type { Socket } from 'node:net';
import type { ReadinessProbe } from '#src/application/health/readiness.ts';
import fp from 'fastify-plugin';

/**
 * AV-6: from the start of shutdown each answer ends its connection: a client that keeps it would go on asking here, past
 * the load balancer, until its request is lost in the moment of closing. Then a connection on which nothing was ever asked
 * is ended. Node itself ends those that are idle between two requests at that moment, and would wait for all others.
 */
export const connectionClose = fp<{ probe: ReadinessProbe }>(
  (app, { probe }, done) => {
    const sockets = new Set<Socket>();

    app.server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    app.addHook('preClose', (next) => {
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      next();
    });
    app.addHook('onSend', (_request, reply, payload, next) => {
      if (probe.stopping()) reply.header('connection', 'close');
      next(null, payload);
    });
    done();
  },
  { name: 'connection-close' },
);
