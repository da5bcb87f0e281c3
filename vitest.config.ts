import { defineConfig } from 'vitest/config';

/** Share of the code that the tests must reach, in per cent (TEST-1). */
const covered = (percent: number) => ({
  lines: percent,
  statements: percent,
  functions: percent,
  branches: percent,
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/{unit,architecture}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/{contract,integration,e2e,chaos,fuzz}/**/*.test.ts'],
          globalSetup: 'test/support/global-setup.ts',
          testTimeout: 30_000,
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
      },
    },
  },
});
