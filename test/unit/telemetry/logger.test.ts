import type { Logger } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';

function logged(level: 'debug' | 'info' | 'warning' | 'error') {
  const lines: string[] = [];
  const logger = createLogger(
    { level, service: 'dragonfly-test', gitSha: 'abc' },
    { write: (line) => lines.push(line) },
  );
  return { logger, lines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

it('[OBS-1] [DEP-1] writes JSON lines with the fields of the law', () => {
  const { logger, lines } = logged('debug');
  logger
    .child({ trace_id: '0af7651916cd43dd8448eb211c80319c' })
    .info({ route: '/v1/jobs' }, 'request completed');
  expect(lines()).toEqual([
    {
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'INFO',
      service: 'dragonfly-test',
      git_sha: 'abc',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      route: '/v1/jobs',
      message: 'request completed',
    },
  ]);
});

it('[OBS-1] knows four levels', () => {
  const { logger, lines } = logged('debug');
  logger.debug('');
  logger.info('');
  logger.warn('');
  logger.error('');
  logger.fatal('');
  expect(lines().map(({ level }) => level)).toEqual(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'ERROR']);
});

it('leaves out what is less severe than LOG_LEVEL', () => {
  const { logger, lines } = logged('warning');
  logger.info('');
  logger.warn('');
  expect(lines()).toHaveLength(1);
});

it('keeps type, message, stack and cause of an error', () => {
  const { logger, lines } = logged('error');
  logger.error({ error: new Error('outer', { cause: new Error('inner') }) }, 'failed');
  expect(lines()[0]).toMatchObject({
    error: { type: 'Error', message: 'outer: inner', stack: expect.any(String) },
  });
});

it('[SEC-1] [OBS-2] tells of an error nothing of what hangs on it, but its code', () => {
  const { logger, lines } = logged('error');
  const lost = Object.assign(new Error('lost'), { code: 'ECONNRESET', client: { secretKey: 4711 } });
  logger.error({ error: new AggregateError([lost], 'all lost') }, 'failed');
  logger.error({ error: lost }, 'failed');
  expect(JSON.stringify(lines())).not.toContain('4711');
  const described = { type: 'Error', message: 'lost', code: 'ECONNRESET', stack: expect.any(String) };
  expect(lines()).toMatchObject([
    { error: { message: 'all lost', errors: [described] } },
    { error: described },
  ]);
});

describe('[SEC-1] [OBS-2] what is logged by mistake', () => {
  const CANARY = 'C4n4ry-7f3a';
  const URL_WITH_PASSWORD = `postgres://api:${CANARY}@db.internal:5432/app`;
  const request = {
    method: 'GET',
    url: `/v1/jobs?token=${CANARY}`,
    headers: { authorization: `Bearer ${CANARY}` },
    socket: {},
  };
  const config = { DRAGONFLY_API_DATABASE_URL: URL_WITH_PASSWORD, DRAGONFLY_WEBHOOK_SECRET: [CANARY] };
  const pgError = Object.assign(new Error('violates check constraint'), {
    code: '23514',
    detail: `Failing row contains (${CANARY})`,
    where: CANARY,
    client: { password: CANARY },
  });
  const responseError = Object.assign(new Error('refused'), { response: { body: CANARY }, code: { CANARY } });

  it.each<[string, (logger: Logger) => void]>([
    ['a request', (logger) => logger.info(request)],
    ['a request as a field', (logger) => logger.info({ request }, 'x')],
    ['a request under the name of Fastify', (logger) => logger.info({ req: request }, 'x')],
    ['the configuration', (logger) => logger.info(config)],
    ['the configuration as a field', (logger) => logger.info({ config }, 'x')],
    [
      'the configuration in an allowed field',
      (logger) => logger.info({ route: config, services: { config } }),
    ],
    ['the configuration for an error', (logger) => logger.info({ error: config, err: config })],
    ['the configuration in the message', (logger) => logger.info('with %j and %o', config, config)],
    ['the configuration for a message', (logger) => logger.info({}, config as unknown as string)],
    ['the configuration of a child', (logger) => logger.child({ config }).info('x')],
    ['an environment', (logger) => logger.info({ ...config, status: 1 })],
    ['an error of PostgreSQL', (logger) => logger.error(pgError)],
    ['an error of PostgreSQL as a field', (logger) => logger.error({ error: pgError, reason: pgError })],
    ['an error of a client', (logger) => logger.error({ err: responseError })],
    ['a URL in the message', (logger) => logger.info(`connecting to ${URL_WITH_PASSWORD}`)],
    ['a URL put into the message', (logger) => logger.info('connecting to %s', URL_WITH_PASSWORD)],
    ['a URL in an error', (logger) => logger.error({ error: new Error(`no ${URL_WITH_PASSWORD}`) })],
    ['a URL in a cause', (logger) => logger.error(new Error('no', { cause: new Error(URL_WITH_PASSWORD) }))],
    ['a URL in an allowed field', (logger) => logger.info({ urls: { db: URL_WITH_PASSWORD } })],
    ['a password after a host', (logger) => logger.info(`postgres://db/app?a=b&password=${CANARY}`)],
  ])('%s shows only what is on the list', (_, log) => {
    const { logger, lines } = logged('debug');
    log(logger);
    expect(lines()).toHaveLength(1);
    expect(JSON.stringify(lines())).not.toContain(CANARY);
  });

  it('is counted, so that whoever misses a field knows why', () => {
    const { logger, lines } = logged('debug');
    logger.info({ route: '/v1/jobs', config, request }, 'x');
    logger.info({ route: '/v1/jobs', roles: ['api'], urls: { api: 'http://a' } }, 'x');
    expect(lines()[0]).toMatchObject({ route: '/v1/jobs', withheld: 2 });
    expect(lines()[1]).toMatchObject({ route: '/v1/jobs', roles: ['api'], urls: { api: 'http://a' } });
    expect(lines()[1]).not.toHaveProperty('withheld');
  });
});
