import { loadConfig } from '#src/config/load.ts';
import type { Variable } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { describe, expect, it } from 'vitest';
import { COMPLETE, faultsOf } from './environment.ts';

describe('reading the environment', () => {
  it('gives the values of the role, parsed, with their defaults', () => {
    const config = loadConfig(['api'], { ...COMPLETE, PORT: '8080', DRAGONFLY_START_TIMEOUT: '1m' });
    expect(config).toMatchObject({
      PORT: 8080,
      HOST: '0.0.0.0',
      DRAGONFLY_START_TIMEOUT: 60_000,
      DRAGONFLY_CORS_ORIGINS: [],
      OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
    });
  });

  it('takes an empty value for a missing one', () => {
    const empty = { PORT: '', DRAGONFLY_REDIS_URL_FILE: '', OTEL_EXPORTER_OTLP_ENDPOINT: '' };
    expect(loadConfig(['api'], { ...COMPLETE, ...empty })).toMatchObject({
      PORT: 3000,
      DRAGONFLY_REDIS_URL: COMPLETE.DRAGONFLY_REDIS_URL,
      OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
    });
    expect(faultsOf(['api'], { ...COMPLETE, DRAGONFLY_API_DATABASE_URL: '' })).toEqual([
      'DRAGONFLY_API_DATABASE_URL: required, or DRAGONFLY_API_DATABASE_URL_FILE with the path of a file.',
    ]);
  });

  it('[AV-8] reports every fault at once, each by the name of its variable', () => {
    const faults = faultsOf(['api', 'worker'], {
      DRAGONFLY_ENV: 'dev',
      PORT: '70000',
      DRAGONFLY_START_TIMEOUT: 'soon',
      DRAGONFLY_CORS_ORIGINS: 'https://app.example.com/path,app.example.com',
      DRAGONFLY_TRUSTED_PROXIES: '10.0.0.0/33',
      DRAGONFLY_WORKER_POLL: '1s',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'DRAGONFLY_WORKER_POLL',
      'DRAGONFLY_START_TIMEOUT',
      'PORT',
      'DRAGONFLY_CORS_ORIGINS',
      'DRAGONFLY_TRUSTED_PROXIES',
      'DRAGONFLY_API_DATABASE_URL',
      'DRAGONFLY_WORKER_DATABASE_URL',
      'DRAGONFLY_WEBHOOK_SECRET',
    ]);
  });

  it.each([
    ['DRAGONFLY_DATABASE_POOL_SIZE', 'DRAGONFLY_DATABASE_POOL_MAX'],
    ['DRAGONFLY_WEBHOOK_SECRETS', 'DRAGONFLY_WEBHOOK_SECRET'],
    ['DRAGONFLY_API_DATABASE_URL_FILES', 'DRAGONFLY_API_DATABASE_URL_FILE'],
    ['DRAGONFLY_ENV_FILE', 'DRAGONFLY_ENV'],
    ['DRAGONFLY_METRICS_PORT_9090_TCP', 'DRAGONFLY_METRICS_PORT'],
  ])('refuses the unknown name %s and gives the nearest known one', (name, nearest) => {
    expect(faultsOf(['api'], { ...COMPLETE, [name]: 'x' })).toEqual([
      `${name}: unknown; the nearest known name is ${nearest}.`,
    ]);
  });

  it('leaves names without the prefix alone', () => {
    expect(faultsOf(['api'], { ...COMPLETE, DATABASE_URL: 'postgres://stray', npm_config_x: '1' })).toEqual(
      [],
    );
  });

  it.each<[string, string]>([
    ['DRAGONFLY_START_TIMEOUT', '61m'],
    ['DRAGONFLY_START_TIMEOUT', '-1s'],
    ['DRAGONFLY_START_TIMEOUT', '1.5s'],
    ['DRAGONFLY_READINESS_TIMEOUT', '0s'],
    ['HOST', 'localhost'],
    ['PORT', '3000x'],
    ['PORT', ' 3000'],
    ['PORT', '0x10'],
    ['DRAGONFLY_DATABASE_POOL_MAX', '0'],
    ['DRAGONFLY_TRUSTED_PROXIES', '10.0.0.1'],
    ['DRAGONFLY_TRUSTED_PROXIES', 'true'],
    ['DRAGONFLY_CORS_ORIGINS', 'null'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:password@collector:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://token@collector:4318'],
    ['DRAGONFLY_REDIS_URL', 'http://redis:6379'],
    ['LOG_LEVEL', 'warn'],
    ['DRAGONFLY_LOG_GRANTS_RATIO', '1.01'],
    ['DRAGONFLY_LOG_GRANTS_RATIO', '10%'],
  ])('refuses %s=%s', (name, value) => {
    expect(faultsOf(['api'], { ...COMPLETE, [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: `)),
    ]);
  });

  it('[AV-8] refuses every duration over an hour: SQL would too, and no sum of them overflows a timer', () => {
    const durations = Object.entries<Variable>(variables).filter(
      ([, { schema }]) => schema.safeParse('5s').data === 5000,
    );
    expect(durations.length).toBeGreaterThan(10);
    const longer = durations.filter(([, { schema }]) => schema.safeParse('3600001ms').success);
    expect(longer).toEqual([]);
    expect(faultsOf(['worker'], { ...COMPLETE, DRAGONFLY_WORKER_DEAD_AFTER: '1h' })).toEqual([]);
  });

  it.each(['0s', '0ms', '4001ms', '1m'])(
    '[SEC-5] refuses to remember keys for %s: a revoked one ends within 5 s, and 0 would mean for ever',
    (value) => {
      expect(faultsOf(['api'], { ...COMPLETE, DRAGONFLY_API_KEY_CACHE_TTL: value })).toEqual([
        'DRAGONFLY_API_KEY_CACHE_TTL: A duration such as 500ms, 10s or 5m, from 1ms to 4s.',
      ]);
    },
  );
});
