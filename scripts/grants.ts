import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { readGrants } from '#src/adapters/outbound/postgres/grants.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { DatabaseUrls } from '#dev/database.ts';

const INTRODUCTION = `# Grants

Everything that somebody other than the owner may do in the database, read from a migrated one. What stands here is all: tables
are reached through functions and views only (SEC-12). \`npm run generate\` writes this page; \`npm run check\` fails when it is stale,
so that no grant is made in passing. \`npm run dragonfly -- roles\` prints the same of a live database.
`;

/** With the roles under the names of what they are for. */
export async function renderGrants(urls: DatabaseUrls): Promise<string> {
  const roles = new Map(
    (['api', 'worker', 'readonly'] as const).map((role) => [new URL(urls[role]).username, role]),
  );
  const database = new URL(urls.owner).pathname.slice(1);
  const grants = await withPool({ url: urls.owner }, 'dragonfly-grants', async (pool) =>
    readGrants(async (statement) => await query(pool, statement)),
  );
  const lines = grants.map(({ role, kind, object, privileges }) => {
    const name =
      kind === 'database' && object.replaceAll('"', '') === database ? 'the service’s' : `\`${object}\``;
    return `| ${roles.get(role) ?? role} | ${kind} | ${name} | ${privileges} |`;
  });
  return [
    INTRODUCTION,
    '| role | kind | object | privileges |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}
