import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';

/** What serves, as it says itself, of a release by processes. */
export async function serving(folder: string): Promise<string | null> {
  const { url } = JSON.parse(readFileSync(join(folder, 'current.json'), 'utf8')) as { url: string };
  const answer = await fetch(`${url}/readyz`);
  return answer.headers.get('x-dragonfly-sha');
}

export const isFrozen = async (owner: Client): Promise<boolean> =>
  (await owner.query<{ frozen: boolean }>('select ops.frozen_since() is not null as frozen')).rows[0]
    ?.frozen ?? false;

/** A lock that a phase needs, until it is let go. */
export async function holding(url: string, lock: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`begin; ${lock}`);
  return async () => await client.end();
}
