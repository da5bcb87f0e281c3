// Fastify and the routes: no log, no header, nobody authenticated, nothing counted.
import { fastify } from 'fastify';
import { addRoutes, serve } from './routes.js';

const app = fastify();
addRoutes(app, { answer: JSON.parse(process.env.BENCH_ANSWER), databaseUrl: process.env.BENCH_DATABASE_URL });
await serve(app);
