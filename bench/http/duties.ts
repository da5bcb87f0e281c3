import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';

/** A replacement in a source file, named by the end of its path. */
export interface Edit {
  readonly file: string;
  /** A regular expression. */
  readonly pattern: string;
  readonly replacement: string;
}

export interface Duty {
  readonly name: string;
  /** What takes it out. */
  readonly edits: readonly Edit[];
}

const HTTP = 'src/adapters/inbound/http';

/** Calls as statements become expressions without effect; decorators stay, because others depend on them. */
const withoutCalls =
  (method: 'addHook' | 'register') =>
  (plugin: string): Edit => ({
    file: `${HTTP}/plugins/${plugin}.ts`,
    pattern: String.raw`\bapp\.${method}\(`,
    replacement: 'void (',
  });
const withoutHooks = withoutCalls('addHook');

/** Without them the policy would refuse every request. */
const WITH_AUTHENTICATION = ['authentication', 'route-policy'];

/** What cannot be taken out by its hooks. */
const OTHERS: readonly Duty[] = [
  { name: 'authentication and route-policy', edits: WITH_AUTHENTICATION.map(withoutHooks) },
  { name: 'cors', edits: [withoutCalls('register')('cors')] },
  {
    name: 'all logging, the logger of each request too',
    edits: [{ file: `${HTTP}/server.ts`, pattern: 'loggerInstance: logger,', replacement: '' }],
  },
  {
    name: 'responses by zod, not JSON.stringify',
    edits: [
      {
        file: `${HTTP}/server.ts`,
        pattern: String.raw`setSerializerCompiler\(serializerCompiler\)`,
        replacement: 'setSerializerCompiler(() => JSON.stringify)',
      },
    ],
  },
];

/** Every plugin that has hooks, as the sources are now, and the others. */
export function duties(): Duty[] {
  const plugins = globSync(`${HTTP}/plugins/*.ts`, { cwd: resolve(import.meta.dirname, '../..') })
    .filter((path) => readFileSync(path, 'utf8').includes('app.addHook('))
    .map((path) => basename(path, '.ts'))
    .filter((plugin) => !WITH_AUTHENTICATION.includes(plugin));
  return [...plugins.toSorted().map((name) => ({ name, edits: [withoutHooks(name)] })), ...OTHERS];
}
