import { describe, expect, it } from 'vitest';
import { readSources } from './modules.ts';
import { violations } from './rules.ts';

describe('the source', () => {
  it('[ARC-1] [ARC-2] [ARC-9] [API-8] keeps the layers, has no cycle and swallows no exception', () => {
    const sources = readSources();
    expect(sources.size).toBeGreaterThan(20);
    expect(violations(sources)).toEqual([]);
  });
});

/** A file of each layer, none of which breaks a rule. */
const SOUND = {
  'src/main.ts': "await import('#src/composition/api.ts');",
  'src/composition/api.ts':
    "import '../adapters/inbound/http/app.ts'; import '../adapters/outbound/postgres/store.ts'; import '../config/load.ts'; import 'pg';",
  'src/config/load.ts': "import { readFileSync } from 'node:fs'; import { z } from 'zod';",
  'src/adapters/inbound/http/app.ts':
    "import { use } from '#src/application/use.ts'; import './errors.ts'; import 'fastify';",
  'src/adapters/inbound/http/errors.ts': "export const text = 'Select a job and update the settings.';",
  'src/adapters/inbound/cli/cli.ts': 'export {};',
  'src/adapters/outbound/postgres/store.ts':
    "import type { Store } from '#src/application/ports.ts'; import { Pool } from 'pg'; export const sql = 'select 1 from ops.job';",
  'src/application/use.ts': "import { job } from '#src/domain/job.ts'; import { z } from 'zod';",
  'src/application/ports.ts': "export type { Job } from '#src/domain/job.ts';",
  'src/domain/job.ts': "import { helper } from './helper.ts';",
  'src/domain/helper.ts': 'try { work(); } catch (error) { report(error); }',
};

const violationsWith = (changed: Record<string, string>): string[] =>
  violations(new Map(Object.entries({ ...SOUND, ...changed })));

describe('the rules', () => {
  it('accept sound sources', () => {
    expect(violationsWith({})).toEqual([]);
  });

  it.each([
    ['a package in the domain', 'src/domain/helper.ts', "import 'zod';", 'helper.ts → zod'],
    ['a part of Node in the domain', 'src/domain/helper.ts', "import { join } from 'path';", '→ node:path'],
    [
      'a package that the domain reaches through another file',
      'src/domain/helper.ts',
      "import '@scope/package/part';",
      'src/domain/job.ts → src/domain/helper.ts → @scope/package',
    ],
    [
      'a type of the application in the domain',
      'src/domain/helper.ts',
      "import type { Port } from '#src/application/ports.ts';",
      'src/domain/helper.ts → src/application/ports.ts',
    ],
    [
      'a re-export in the domain',
      'src/domain/helper.ts',
      "export * from '../config/load.ts';",
      'config/load.ts',
    ],
    ['an inline type import', 'src/domain/helper.ts', "type P = import('pg').Pool;", 'helper.ts → pg'],
    ['a dynamic import', 'src/domain/helper.ts', "await import('pg');", 'helper.ts → pg'],
    [
      'the manifest in the domain',
      'src/domain/helper.ts',
      "import manifest from '../../package.json' with { type: 'json' };",
      'helper.ts → package.json',
    ],
    ['a require', 'src/domain/helper.ts', "require('pg');", 'helper.ts → pg'],
    ['a package in the application', 'src/application/ports.ts', "import 'pg';", 'ports.ts → pg'],
    ['a part of Node in the application', 'src/application/ports.ts', "import 'node:fs';", '→ node:fs'],
    [
      'an adapter in the application',
      'src/application/ports.ts',
      "import '#src/adapters/outbound/postgres/store.ts';",
      'src/application/ports.ts → src/adapters/outbound/postgres/store.ts',
    ],
  ])('[ARC-1] refuse %s', (_, path, text, expected) => {
    expect(violationsWith({ [path]: text })).toContainEqual(
      expect.stringMatching(new RegExp(`^\\[ARC-1\\] .*${expected.replaceAll('.', '\\.')}`)),
    );
  });

  it.each([
    [
      'another adapter of the same direction',
      "import '../cli/cli.ts';",
      'src/adapters/inbound/http/errors.ts → src/adapters/inbound/cli/cli.ts',
    ],
    [
      'an adapter of the other direction, also for a type, also through a file between',
      "import type { Store } from '#src/adapters/outbound/postgres/store.ts';",
      'app.ts → src/adapters/inbound/http/errors.ts → src/adapters/outbound/postgres/store.ts',
    ],
    ['the composition', "import '#src/composition/api.ts';", 'errors.ts → src/composition/api.ts'],
    ['the configuration', "import '#src/config/load.ts';", 'errors.ts → src/config/load.ts'],
    ['a database driver', "import 'kysely';", 'errors.ts → kysely'],
    ['SQL', 'const sql = `select * from jobs where id = ${id}`;', 'contains SQL'],
    ['SQL in capitals', "run('SELECT 1');", 'contains SQL'],
    ['a function of the database', "run('perform ops.queue_job($1)');", 'contains SQL'],
  ])('[ARC-2] refuse an inbound adapter that needs %s', (_, text, expected) => {
    expect(violationsWith({ 'src/adapters/inbound/http/errors.ts': text })).toContainEqual(
      expect.stringMatching(new RegExp(`^\\[ARC-2\\] .*${expected.replaceAll('.', '\\.')}`)),
    );
  });

  it('[API-8] refuse SQL in a command', () => {
    const command = 'src/composition/cli/commands/jobs.ts';
    expect(violationsWith({ [command]: "run('delete from ops.job');" })).toEqual([
      `[API-8] ${command} contains SQL.`,
    ]);
  });

  it('[ARC-9] refuse a cycle, and tell of it once', () => {
    const cycle = violationsWith({ 'src/domain/helper.ts': "import type { Job } from './job.ts';" });
    expect(cycle).toEqual(['[ARC-9] cycle: src/domain/helper.ts → src/domain/job.ts → src/domain/helper.ts']);
  });

  it.each([
    'try { work(); } catch {}',
    'try { work(); } catch (error) { /* never mind */ }',
    'work().catch(() => {});',
    'try { work(); } catch { other(); }',
    "try { work(); } catch (error) { log.error('failed', { error: true }); }",
    'work().catch(() => undefined);',
    'work().then(report, (error) => []);',
  ])('[ARC-9] refuse a swallowed exception: %s', (text) => {
    expect(violationsWith({ 'src/domain/helper.ts': text })).toEqual([
      '[ARC-9] src/domain/helper.ts swallows an exception.',
    ]);
  });

  it.each([
    'try { work(); } catch (error) { log.warn({ error }); }',
    'try { work(); } catch ({ message }) { log.warn(message); }',
    'try { work(); } catch { other(); /* It has said why itself. */ }',
    'work().catch((error) => report(error));',
    'work().catch(failed);',
    'work().then((value) => []);',
  ])('accept a handler that uses the error or says why not: %s', (text) => {
    expect(violationsWith({ 'src/domain/helper.ts': text })).toEqual([]);
  });

  it('refuse what they cannot follow', () => {
    expect(() => violationsWith({ 'src/domain/helper.ts': 'await import(name);' })).toThrow('computed name');
    expect(() => violationsWith({ 'src/domain/helper.ts': "import './gone.ts';" })).toThrow('gone.ts');
    expect(() => violationsWith({ 'src/domain/helper.ts': 'const = 1;' })).toThrow('src/domain/helper.ts');
    expect(() => violationsWith({ 'src/utils/all.ts': 'export {};' })).toThrow('no such layer');
  });
});
