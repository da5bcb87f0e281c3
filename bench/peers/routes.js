// The routes that are compared, as a plain Fastify service would write them: the same answers by the same shapes, no law.
import { Pool } from 'pg';

const text = { type: 'string' };
const nullable = { type: 'string', nullable: true };
const integer = { type: 'integer' };
const number = { type: 'number' };
const anything = {};

const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) });

const jobType = object({
  type: text,
  description: text,
  payload: { type: 'object', additionalProperties: true },
  retry: object({
    max_attempts: integer,
    initial_delay_seconds: number,
    factor: number,
    max_delay_seconds: number,
  }),
  timeout_seconds: number,
});

const job = object({
  id: text,
  type: text,
  status: text,
  priority: integer,
  attempts: integer,
  max_attempts: integer,
  created_at: text,
  run_at: text,
  started_at: nullable,
  finished_at: nullable,
  last_error: nullable,
  result: anything,
  trace_id: text,
});
const columns = Object.keys(job.properties).join(', ');

const newJob = {
  ...object({ type: { type: 'string', minLength: 1, maxLength: 100 }, payload: anything }),
  additionalProperties: false,
};

/** @param answer what GET /v1/job-types of the service says */
export function addRoutes(app, { answer, databaseUrl }) {
  const pool = new Pool({ connectionString: databaseUrl, max: 10 });
  const one = async (name, text, values) => (await pool.query({ name, text, values })).rows[0];

  app.get(
    '/v1/job-types',
    { schema: { response: { 200: object({ job_types: { type: 'array', items: jobType } }) } } },
    () => answer,
  );

  app.get('/v1/jobs/:id', { schema: { response: { 200: job } } }, (request) =>
    one('find', `select ${columns} from bench.job where id = $1`, [request.params.id]),
  );

  app.post('/v1/jobs', { schema: { body: newJob, response: { 201: job } } }, async (request, reply) => {
    const { type, payload } = request.body;
    const row = await one(
      'queue',
      `insert into bench.job (type, payload) values ($1, $2) returning ${columns}`,
      [type, payload],
    );
    return reply.code(201).send(row);
  });
}

/** Listens on a free port, tells the parent where, and ends with it. */
export async function serve(app) {
  const api = await app.listen({ host: '127.0.0.1', port: 0 });
  process.once('disconnect', () => process.exit());
  process.send({ type: 'ready', api });
}
