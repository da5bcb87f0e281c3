import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RolldownOptions, build } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));
const common = { cwd: root, platform: 'neutral', logLevel: 'warn' } satisfies RolldownOptions;
const output = { format: 'esm', entryFileNames: '[name].js', sourcemap: true } as const;

/**
 * Compiles src/ to dist/, file by file, with `#src/*` turned into relative paths. Files are not bundled, so that
 * packages stay where instrumentation finds them and a path relative to a source file (migrations/) holds in both trees.
 */
await build({
  ...common,
  input: 'src/main.ts',
  plugins: [
    {
      name: 'vendor',
      // As if it stood in src/, so that the path is relative within dist/.
      resolveId: (name) =>
        name.split('/')[0] === 'kysely'
          ? { id: join(root, 'src/vendor', `${name}.js`), external: 'relative' }
          : undefined,
    },
  ],
  // Whatever else is neither relative, nor absolute, nor an import of our own is a package.
  external: /^(?![./]|#src\/|kysely(?:\/|$))/,
  treeshake: false,
  output: { ...output, dir: 'dist', cleanDir: true, preserveModules: true, preserveModulesRoot: 'src' },
});

/** Kysely is more than 250 files, each of which costs memory and time at start: here it is three. */
await build({
  ...common,
  input: { kysely: 'kysely', 'kysely/migration': 'kysely/migration' },
  output: { ...output, dir: 'dist/vendor', chunkFileNames: 'kysely/[name].js' },
});
