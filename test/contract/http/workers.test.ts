import { expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { testClient, testService } from '#test/support/service.ts';

const database = await testDatabase();
const { apiUrl } = await testService(database, ['api', 'worker']);
const client = await testClient(database, apiUrl);

it('GET /v1/workers has those that beat', async () => {
  await expect
    .poll(async () => await (await client.request('GET', '/v1/workers')).json())
    .toEqual({
      workers: [
        {
          id: expect.stringMatching(/^worker-/),
          type: expect.any(String),
          status: 'running',
          alive: true,
          started_at: expect.stringMatching(/Z$/),
          last_seen_at: expect.stringMatching(/Z$/),
        },
      ],
    });
});
