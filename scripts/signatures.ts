import { Client } from 'pg';
import { SIGNATURE } from '#src/adapters/outbound/postgres/database-facts.ts';
import type { DatabaseUrls } from '#dev/database.ts';

const GRANTED = `
  select ${SIGNATURE} as signature from pg_proc p
   where p.pronamespace = 'ops'::regnamespace and exists (select from aclexplode(p.proacl) a where a.grantee <> p.proowner)
   order by 1`;

/** DATA-6: of each function that somebody but the owner may call, read from a migrated database. */
export async function renderSignatures({ owner }: DatabaseUrls): Promise<string> {
  const client = new Client({ connectionString: owner });
  await client.connect();
  try {
    const { rows } = await client.query<{ signature: string }>(GRANTED);
    const lines = rows.map(({ signature }) => `  ${JSON.stringify(signature)},`).toSorted();
    return `/** Made by \`npm run generate\` from the migrations: the functions of schema ops that somebody else may call. */
export const SIGNATURES: readonly string[] = [
${lines.join('\n')}
];
`;
  } finally {
    await client.end();
  }
}
