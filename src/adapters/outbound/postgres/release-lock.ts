import { Client } from 'pg';
import { connectionConfig } from './pool.ts';

/** Beside the lock of the migrations. */
const SPACE = 5528;
const CONNECT_TIMEOUT_MS = 5000;
/** The server notices within a minute that a runner's machine is gone, and not after two hours. */
const KEEPALIVE = '-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3';

/**
 * Works while nobody else releases or rolls back in this environment. The lock is the session's: a process that was killed does not
 * keep it.
 *
 * @param lost told when the lock may be somebody else's now, because the connection broke
 * @throws Error while somebody else has it, with who that is
 */
export async function withReleaseLock<T>(
  { url, env }: { readonly url: string; readonly env: string },
  lost: (error: Error) => void,
  work: () => Promise<T>,
): Promise<T> {
  const client = new Client({
    ...connectionConfig(url, 'dragonfly-release', 0),
    options: KEEPALIVE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', (cause) =>
    lost(new Error('The connection that held the lock of this release broke.', { cause })),
  );
  await client.connect();
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      'select pg_try_advisory_lock($1, hashtext($2)) as locked',
      [SPACE, env],
    );
    if (rows[0]?.locked !== true)
      throw new Error(
        `Another release or rollback of ${env} is being run at this moment${await holderOf(client, env)}`,
      );
    return await work();
  } finally {
    await client.end();
  }
}

async function holderOf(client: Client, env: string): Promise<string> {
  const { rows } = await client.query<{ pid: number; address: string; since: string }>(
    `select a.pid, coalesce(host(a.client_addr), 'this machine') as address, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') as since
       from pg_locks k join pg_stat_activity a using (pid)
      where k.locktype = 'advisory' and k.granted and k.database = (select oid from pg_database where datname = current_database())
        and k.classid = $1 and k.objid::bigint = hashtext($2)::bigint & 4294967295 and k.objsubid = 2`,
    [SPACE, env],
  );
  const [holder] = rows;
  if (!holder) return ', and has ended just now: run this again.';
  const { pid, address, since } = holder;
  return `: from ${address} since ${since}. Wait for it. If its runner is gone: select pg_terminate_backend(${pid}); the next run goes on where it was.`;
}
