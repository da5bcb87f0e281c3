import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type FormatConfig, format } from 'oxfmt';
import { readConstitution } from './constitution/laws.ts';
import { renderConstitution } from './constitution/page.ts';
import { renderDatabaseTypes } from './database-types.ts';
import { renderConfigurationPage, renderEnvExample } from './environment-docs.ts';
import { renderExpectedGrants, renderGrants } from './grants.ts';
import { renderOpenApi } from '#src/composition/openapi.ts';
import { renderPlanTemplate } from './plans/template.ts';
import { renderSchemaPage } from './schema-page.ts';
import { renderSignatures } from './signatures.ts';
import { renderVerifyDbState } from './verify-db-state.ts';
import { withScratchDatabase } from './scratch-database.ts';
import type { DatabaseUrls } from '#dev/database.ts';

/** The committed files that are made from another one, */
const FROM_FILES: Readonly<Record<string, () => Promise<string>>> = {
  '.env.example': () => Promise.resolve(renderEnvExample()),
  'docs/configuration.md': () => formatted('configuration.md', renderConfigurationPage()),
  'docs/constitution.md': renderConstitution,
  'docs/plans/template.md': () => formatted('template.md', renderPlanTemplate(readConstitution(root).laws)),
  'openapi/openapi.json': renderOpenApi,
};

/** and those that are read from a migrated database. */
const FROM_DATABASE: Readonly<Record<string, (urls: DatabaseUrls) => Promise<string>>> = {
  'docs/database/grants.md': async (urls) => await formatted('grants.md', await renderGrants(urls)),
  'docs/database/schema.md': async (urls) => await formatted('schema.md', await renderSchemaPage(urls)),
  'docs/database/verify_db_state.sql': renderVerifyDbState,
  'src/adapters/outbound/postgres/expected-grants.ts': async (urls) =>
    await formatted('expected-grants.ts', await renderExpectedGrants(urls)),
  'src/adapters/outbound/postgres/schema.ts': async ({ owner }) => await renderDatabaseTypes(owner),
  'src/adapters/outbound/postgres/signatures.ts': async (urls) =>
    await formatted('signatures.ts', await renderSignatures(urls)),
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
const known = [...Object.keys(FROM_FILES), ...Object.keys(FROM_DATABASE)];
const unknown = positionals.filter((path) => !known.includes(path));
if (unknown.length > 0) {
  console.error(`Nothing generates ${unknown.join(', ')}. Known: ${known.join(', ')}`);
  process.exit(2);
}

const paths = positionals.length > 0 ? positionals : known;
const stale: string[] = [];
for (const path of paths) await compare(path, await FROM_FILES[path]?.());
if (paths.some((path) => path in FROM_DATABASE)) {
  await withScratchDatabase(async (urls) => {
    for (const path of paths) await compare(path, await FROM_DATABASE[path]?.(urls));
  });
}

async function compare(path: string, text: string | undefined): Promise<void> {
  const file = join(root, path);
  const current = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined || text === current) return;
  stale.push(path);
  if (!values.check) await writeFile(file, text);
}

if (values.check && stale.length > 0) {
  console.error(`Stale, run \`npm run generate\`:\n${stale.map((path) => `  ${path}`).join('\n')}`);
  process.exit(1);
}
console.log(stale.length > 0 ? `Written: ${stale.join(', ')}` : 'Every generated file is up to date.');
