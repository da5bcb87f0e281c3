import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Compiles src/ to dist/, file by file, with `#src/*` turned into relative paths. Files are not bundled, so that
 * packages stay where instrumentation finds them and a path relative to a source file (migrations/) holds in both trees.
 */
await build({
  cwd: root,
  input: 'src/main.ts',
  platform: 'neutral',
  // Whatever is neither relative, nor absolute, nor an import of our own is a package.
  external: /^(?![./]|#src\/)/,
  treeshake: false,
  logLevel: 'warn',
  output: {
    dir: 'dist',
    cleanDir: true,
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: 'src',
    entryFileNames: '[name].js',
    sourcemap: true,
  },
});
