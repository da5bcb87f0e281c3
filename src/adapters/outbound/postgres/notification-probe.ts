import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Client } from 'pg';
import { connectionConfig } from './pool.ts';

const TIMEOUT_MS = 3000;

/** Whether what is notified arrives at who listens, which it does not behind a pooler of transactions. @throws Error when not */
export async function probeNotifications(url: string): Promise<void> {
  const client = new Client(connectionConfig(url, 'dragonfly-soft-gate', TIMEOUT_MS));
  await client.connect();
  try {
    const channel = `dragonfly_probe_${randomBytes(6).toString('hex')}`;
    const arrived = once(client, 'notification', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await client.query(`listen ${channel}`);
    await client.query('select pg_notify($1, $2)', [channel, '']);
    await arrived.catch((cause: unknown) => {
      throw new Error('What was notified did not arrive: is it a pooler of transactions?', { cause });
    });
  } finally {
    await client.end();
  }
}
