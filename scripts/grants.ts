import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { readGrants } from '#src/adapters/outbound/postgres/grants.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { type ExpectedGrant, THE_DATABASE } from '#src/application/checks/security/grant-findings.ts';
import type { DatabaseUrls } from '#dev/database.ts';

const INTRODUCTION = `# Grants

Everything that somebody other than the owner may do in the database, read from a migrated one. What stands here is all: tables
are reached through functions and views only (SEC-12). \`npm run generate\` writes this page; \`npm run check\` fails when it is stale,
so that no grant is made in passing. \`npm run dragonfly -- roles\` prints the same of a live database.
`;

/** The same for the security audit of a live database, whose image has no documents. */
export async function renderExpectedGrants(urls: DatabaseUrls): Promise<string> {
  const lines = (await grantsOf(urls)).map((grant) => `  ${JSON.stringify(grant)},`);
  return [
    `import type { ExpectedGrant } from '#src/application/checks/security/grant-findings.ts';`,
    '',
    '/** What the migrations grant. Written by `npm run generate`, beside docs/database/grants.md. */',
    'export const EXPECTED_GRANTS: readonly ExpectedGrant[] = [',
    ...lines,
    '];',
    '',
  ].join('\n');
}

export async function renderGrants(urls: DatabaseUrls): Promise<string> {
  const lines = (await grantsOf(urls)).map(([role, kind, object, privileges]) => {
    const name = kind === 'database' ? 'the service’s' : `\`${object}\``;
    return `| ${role} | ${kind} | ${name} | ${privileges} |`;
  });
  return [
    INTRODUCTION,
    '| role | kind | object | privileges |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

/** With roles and database under the names of what they are for. */
async function grantsOf(urls: DatabaseUrls): Promise<ExpectedGrant[]> {
  const roles = new Map(
    (['owner', 'api', 'worker', 'readonly'] as const).map((role) => [new URL(urls[role]).username, role]),
  );
  const grants = await withPool({ url: urls.owner }, 'dragonfly-grants', async (pool) =>
    readGrants(async (statement) => await query(pool, statement)),
  );
  return grants.map(({ role, kind, object, privileges }) => [
    roles.get(role) ?? role,
    kind,
    kind === 'database' ? THE_DATABASE : object,
    privileges,
  ]);
}
