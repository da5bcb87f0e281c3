import { startEmbeddedPostgres } from './embedded-postgres.ts';
import type { Service } from './server.ts';

const PASSWORD = 'postgres';

export const postgres: Service = {
  name: 'PostgreSQL',
  hint: 'There is no embedded PostgreSQL for this platform: start a container engine',
  container: {
    image: 'postgres:18.6-alpine@sha256:77f585114c32fbca283dc835b0596f4e52b51b4c6662d7810b2f4084f60a1873',
    port: 5432,
    environment: { POSTGRES_PASSWORD: PASSWORD },
    command: ['-c', 'max_connections=200'],
    // The first of the two is the image's own set-up.
    readyLog: { pattern: /database system is ready to accept connections/, times: 2 },
    url: (host, port) => `postgres://postgres:${PASSWORD}@${host}:${port}/postgres`,
  },
  startLocal: startEmbeddedPostgres,
};
