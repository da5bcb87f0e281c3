import { defineConfig } from 'vitest/config';

/** Share of the code that the tests must reach, in per cent (TEST-1). */
const covered = (percent: number) => ({
  lines: percent,
  statements: percent,
  functions: percent,
  branches: percent,
});

/** With nothing beside them, because they hold to limits in milliseconds. */
const ALONE = [
  'test/e2e/service-{kill,outage,overload}.test.ts',
  'test/integration/{redis/outage,smoke}.test.ts',
];

/** Set by .ci/run, which names each test that needed one: on a machine that stalls for seconds no leases are kept. */
const retry = Number(process.env['TEST_RETRIES'] ?? 0);

export default defineConfig({
  test: {
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 60_000,
    projects: [
      // They leave nothing behind in their process, so that its modules need to be read only once.
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/{contract,integration,e2e,fuzz}/**/*.test.ts'],
          exclude: ALONE,
          globalSetup: 'test/support/global-setup.ts',
          testTimeout: 60_000,
          retry,
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          globalSetup: 'test/support/global-setup.ts',
          testTimeout: 60_000,
          retry,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'lcov'],
      thresholds: {
        'src/domain/**': covered(85),
        'src/application/**': covered(85),
        'src/adapters/**': covered(70),
        // Queue and access, the critical paths, in every layer that has a part of them.
        'src/{domain/{access,jobs}/**,application/{access,jobs,queue,worker}/**,adapters/inbound/worker/**,adapters/outbound/{api-key/**,postgres/{api-key*,*queue*}.ts}}':
          covered(90),
      },
    },
  },
});
