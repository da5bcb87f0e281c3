import { expect, it } from 'vitest';
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
