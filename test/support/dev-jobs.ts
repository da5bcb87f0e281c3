import { expect } from 'vitest';
import type { ReadyDev } from './dev-checkout.ts';

const HOUR_MS = 3_600_000;

/** Queues a job that is not due for an hour, and returns its path. */
export async function queueJob({ api, authorization }: ReadyDev): Promise<string> {
  const response = await fetch(`${api}/v1/jobs`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      type: 'webhook.deliver',
      payload: { url: 'https://example.com', body: {} },
      run_at: new Date(Date.now() + HOUR_MS),
    }),
  });
  expect(response.status).toBe(201);
  return response.headers.get('location') ?? '';
}

export const readJob = async ({ api, authorization }: ReadyDev, path: string): Promise<Response> =>
  await fetch(`${api}${path}`, { headers: { authorization } });
