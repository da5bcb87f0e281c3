import { type Bench, ORIGIN } from './bench.ts';
import type { LoadRequest } from './load.ts';
import { Client } from 'pg';

/** The same requests for everyone; a peer without authentication ignores the key. */
export async function requestsOf({ key, databaseUrl }: Bench, serviceUrl: string) {
  const headers = { authorization: `Bearer ${key}`, origin: ORIGIN };
  const post: LoadRequest = {
    method: 'POST',
    path: '/v1/jobs',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'webhook.deliver',
      payload: { url: 'https://receiver.example.com/hooks', body: { event: 'order.paid', order: 4711 } },
    }),
  };
  const created = await fetch(new URL(post.path, serviceUrl), { ...post, body: post.body ?? null });
  if (created.status !== 201) throw new Error(`${post.path} answered ${await created.text()}`);
  const { id } = (await created.json()) as { id: string };
  await copyForPeer(databaseUrl, id);
  return {
    'GET job types': { method: 'GET', path: '/v1/job-types', headers },
    'GET job': { method: 'GET', path: `/v1/jobs/${id}`, headers },
    'POST job': post,
    'POST job, keyed': { ...post, keyed: true },
  } as const satisfies Record<string, LoadRequest>;
}

/** The peer looks for the same job in its own table. */
async function copyForPeer(databaseUrl: string, id: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`insert into bench.job (id, type, payload) values ($1, 'webhook.deliver', '{}')`, [
      id,
    ]);
  } finally {
    await client.end();
  }
}
