import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type FormatConfig, format } from 'oxfmt';
import { renderConstitution } from './constitution/page.ts';
import { renderDatabaseTypes } from './database-types.ts';
import { renderConfigurationPage, renderEnvExample } from './environment-docs.ts';
import { renderGrants } from './grants.ts';
import { renderOpenApi } from './openapi.ts';
import { withScratchDatabase } from './scratch-database.ts';

/** Every committed file that is made from another one. */
const GENERATORS: Readonly<Record<string, () => Promise<string>>> = {
  '.env.example': () => Promise.resolve(renderEnvExample()),
  'docs/configuration.md': () => formatted('configuration.md', renderConfigurationPage()),
  'docs/constitution.md': renderConstitution,
  'docs/database/grants.md': async () =>
    await formatted('grants.md', await withScratchDatabase(renderGrants)),
  'openapi/openapi.json': renderOpenApi,
  'src/adapters/outbound/postgres/schema.ts': () =>
    withScratchDatabase(({ owner }) => renderDatabaseTypes(owner)),
};

const root = resolve(import.meta.dirname, '..');

/** As `npm run format` would leave it. */
async function formatted(name: string, text: string): Promise<string> {
  const options = JSON.parse(await readFile(join(root, '.oxfmtrc.json'), 'utf8')) as FormatConfig;
  return (await format(name, text, options)).code;
}

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((path) => !Object.hasOwn(GENERATORS, path));
if (unknown.length > 0) {
  console.error(`Nothing generates ${unknown.join(', ')}. Known: ${Object.keys(GENERATORS).join(', ')}`);
  process.exit(2);
}

const paths = positionals.length > 0 ? positionals : Object.keys(GENERATORS);
const stale: string[] = [];
for (const path of paths) {
  const text = await GENERATORS[path]?.();
  const file = join(root, path);
  const current = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined || text === current) continue;
  stale.push(path);
  if (!values.check) await writeFile(file, text);
}

if (values.check && stale.length > 0) {
  console.error(`Stale, run \`npm run generate\`:\n${stale.map((path) => `  ${path}`).join('\n')}`);
  process.exit(1);
}
console.log(stale.length > 0 ? `Written: ${stale.join(', ')}` : 'Every generated file is up to date.');
