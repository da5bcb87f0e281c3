import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { describeWithRabbitmq, describeWithRedis } from '#test/support/servers.ts';

const database = await testDatabase();

describe('the database of a test file', () => {
  it.for(['owner', 'api', 'worker', 'readonly'] as const)(
    'lets %s in, and not as superuser',
    async (role) => {
      const client = new Client({ connectionString: database.urls[role] });
      await client.connect();
      const { rows } = await client.query(
        'select rolsuper, rolcreatedb, rolcreaterole, current_database() as name from pg_roles where rolname = current_user',
      );
      await client.end();
      expect(rows).toEqual([
        { rolsuper: false, rolcreatedb: false, rolcreaterole: false, name: database.name },
      ]);
    },
  );
});

describeWithRedis('Redis', (url) => {
  it('keeps a value', async () => {
    const redis = new Redis(url);
    const key = randomUUID();
    await redis.set(key, 'kept', 'PX', 10_000);
    const value = await redis.get(key);
    await redis.quit();
    expect(value).toBe('kept');
  });
});

describeWithRabbitmq('RabbitMQ', (url) => {
  it('hands out a message that it confirmed', async () => {
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('confirmed'));
    await channel.waitForConfirms();
    const message = await channel.get(queue, { noAck: true });
    await connection.close();
    expect(message && message.content.toString()).toBe('confirmed');
  });
});
