// What a service costs that does nothing: Fastify and one route.
import { fastify } from 'fastify';

const app = fastify();
app.get('/health', () => ({ status: 'ok' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.on('SIGTERM', () => process.exit(0));
