import { matchesGlob } from 'node:path';
import { describe, expect, it } from 'vitest';
import config from '../../../vitest.config.ts';
import { importGraph, reach } from './import-graph.ts';
import { parseModule, readSources } from './modules.ts';

const { thresholds = {} } = (config.test?.coverage ?? {}) as {
  thresholds?: Record<string, Record<string, number>>;
};

/** The strictest share, in per cent, that the tests must reach of a file, whatever is counted. */
const floorOf = (path: string): number =>
  Math.max(
    0,
    ...Object.entries(thresholds)
      .filter(([pattern]) => matchesGlob(path, pattern))
      .map(([, { lines, statements, functions, branches }]) =>
        Math.min(lines ?? 0, statements ?? 0, functions ?? 0, branches ?? 0),
      ),
  );

describe('[TEST-1] the coverage that the gate demands', () => {
  it.each([
    [
      'of the queue and of access',
      /^src\/(?:(?:domain|application)\/(?:jobs|queue|worker|access)|adapters\/inbound\/worker|adapters\/outbound\/api-key)\//,
      90,
    ],
    ['of domain and application', /^src\/(?:domain|application)\//, 85],
    ['of adapters', /^src\/adapters\//, 70],
  ])('%s is at least what the law says', (_, topic, floor) => {
    const files = [...readSources().keys()].filter((path) => topic.test(path));
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((path) => floorOf(path) < floor)).toEqual([]);
  });
});

describe('[TEST-2] a test that is said to meet real servers', () => {
  const sources = readSources('{src,dev,test/{support,contract,integration,e2e,chaos,fuzz}}/**/*.ts');
  const graph = importGraph([...sources].map(([path, text]) => parseModule(path, text)));
  const tests = [...sources.keys()].filter((path) => /^test\/(?!unit\/|support\/).+\.test\.ts$/.test(path));

  it('needs no stand-in for one, also not through another file', () => {
    expect(tests.length).toBeGreaterThan(20);
    const standIns = tests.flatMap((test) =>
      [...reach(graph, test)].flatMap(([file, way]) =>
        [file, ...(graph.get(file)?.packages ?? [])]
          .filter((name) => /mock|pglite|pg-mem|fake|memory-(?!usage)/i.test(name))
          .map((name) => [...way, name].join(' → ')),
      ),
    );
    expect(standIns).toEqual([]);
  });

  it('replaces no module', () => {
    const replacing = tests.filter((test) => /\bvi\s*\.\s*(?:do)?mock\b/i.test(sources.get(test) ?? ''));
    expect(replacing).toEqual([]);
  });
});
