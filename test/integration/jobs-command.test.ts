import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '#src/composition/cli/command.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import { testDatabase } from '../support/database.ts';
import { testClient, testService } from '../support/service.ts';

const database = await testDatabase();
const service = await testService(database, ['api']);
const client = await testClient(database, service.apiUrl);
const environment = {
  DRAGONFLY_ENV: 'dev',
  DRAGONFLY_API_URL: service.apiUrl,
  DRAGONFLY_API_KEY: client.key,
};
const HOOK = JSON.stringify({ url: 'http://127.0.0.1:9/hook', body: {} });

const run = async (...args: string[]): Promise<string> =>
  (await invoke(['jobs', ...args], environment)).output;
const read = async (...args: string[]): Promise<unknown> => JSON.parse(await run(...args, '--json'));
const queued = async (...options: string[]): Promise<string> => {
  const { id } = (await read('queue', 'webhook.deliver', HOOK, ...options)) as { id: string };
  return id;
};

describe('[API-8] `dragonfly jobs`', () => {
  it('queues a job and shows it', async () => {
    const id = await queued('--priority', '7', '--run-at', '2099-01-01T00:00:00Z', '--max-attempts', '2');
    expect(await read('show', id)).toMatchObject({ id, status: 'pending', priority: 7, max_attempts: 2 });
    expect(await run('list', '--type', 'webhook.deliver')).toMatch(
      new RegExp(`^${id} +webhook.deliver +pending +7 `, 'm'),
    );
  });

  it('finds an unfinished job of the same unique key', async () => {
    const one = await queued('--unique-key', 'nightly');
    expect(await queued('--unique-key', 'nightly')).toBe(one);
  });

  it('goes from page to page', async () => {
    await queued();
    await queued();
    const first = await run('list', '--limit', '1');
    const cursor = /more: --cursor (\S+)/.exec(first)?.[1] ?? '';
    const second = await run('list', '--limit', '1', '--cursor', cursor);
    expect(second.split('\n')[1]).not.toBe(first.split('\n')[1]);
  });

  it('cancels and retries a job, and says why it cannot', async () => {
    const id = await queued();
    expect(JSON.parse(await run('cancel', id))).toMatchObject({ id, status: 'cancelled' });
    expect(await read('retry', id)).toMatchObject({ id, status: 'pending' });
    await run('cancel', id);
    expect(await read('list', '--status', 'cancelled')).toMatchObject({ jobs: [{ id }] });
    await expect(run('show', '019c1222-7c00-7d3b-9a54-3f1c6a2e8b90')).rejects.toThrow(
      /^404 job_not_found: .+ \(trace [0-9a-f]{32}\)$/,
    );
  });

  it('pauses and resumes a queue, and deals with its dead letters', async () => {
    await run('pause', 'webhook.deliver');
    expect(await run('queues')).toMatch(/^webhook\.deliver .* true$/m);
    await run('resume', 'webhook.deliver');
    expect(await run('queues')).toMatch(/^webhook\.deliver .* false$/m);
    expect(await run('redrive', 'webhook.deliver')).toBe('0 queued again');
    expect(await run('purge', 'webhook.deliver', '--limit', '5')).toBe('0 deleted');
    expect(await read('workers')).toEqual({ workers: [] });
  });

  it('names each fault that the service found', async () => {
    await expect(run('queue', 'webhook.deliver', '{}')).rejects.toThrow(
      /^422 payload_invalid: [^]*\n {2}#\/payload\/url: /,
    );
    await expect(run('purge', 'webhook.deliver', '--limit', '0')).rejects.toThrow(/\n {2}#\/limit: /);
    await expect(run('pause', 'no.such')).rejects.toThrow('job_type_unknown');
  });

  it.for(['show', 'queue webhook.deliver', 'queue webhook.deliver {', 'pause', 'cancel'])(
    '`%s` is a usage error',
    async (line) => {
      await expect(run(...line.split(' '))).rejects.toThrow(UsageError);
    },
  );

  it('says that the key is refused', async () => {
    const stranger = { ...environment, DRAGONFLY_API_KEY: `dfk_${'a'.repeat(49)}` };
    await expect(invoke(['jobs', 'queues'], stranger)).rejects.toThrow(/^401 /);
  });
});

describe('[ARC-7] the client of the service', () => {
  it('sends an act again, with the same Idempotency-Key, until the service has time', async () => {
    const keys: unknown[] = [];
    const server = createServer((request, response) => {
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) request.socket.destroy();
      else if (keys.length === 2) response.writeHead(503).end();
      else response.writeHead(200, { 'content-type': 'application/json' }).end('{"jobs":3}');
    }).listen(0, '127.0.0.1');
    afterAll(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { output } = await invoke(['jobs', 'redrive', 'a'], {
      ...environment,
      DRAGONFLY_API_URL: `http://127.0.0.1:${port}`,
    });
    expect(output).toBe('3 queued again');
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('gives up on a service that is not there', async () => {
    const away = { ...environment, DRAGONFLY_API_URL: 'http://127.0.0.1:1' };
    await expect(invoke(['jobs', 'queues'], away)).rejects.toThrow('http://127.0.0.1:1 does not answer.');
  });
});
