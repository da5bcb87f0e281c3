import { afterEach, expect } from 'vitest';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import type { Environment } from '#src/config/load.ts';
import { testDatabase } from './database.ts';
import { type Exchange, type RawAnswer, exchange } from './raw-http.ts';
import { GIT_SHA, type ServiceProcess, dragonfly } from './service-process.ts';
import { type TestClient, testClient } from './service.ts';

export interface AttackedService {
  readonly process: ServiceProcess;
  readonly client: TestClient;
  /** Sends bytes as they are. */
  send(parts: string | readonly string[], patience?: number): Promise<Exchange>;
  /** A request with a good key; `headers` are whole lines. With `CLOSE` among them the answer comes at once. */
  get(path: string, headers?: string): string;
  post(headers: string, body: string): string;
  /** How many jobs the client's organisation has. */
  jobs(): Promise<number>;
}

export const CLOSE = 'Connection: close\r\n';
/** A probe that waits longer than this behind an attack would make an orchestrator nervous. */
const HEALTHY_MS = 500;

/** A process of the API that is to survive what the file's tests send: after each it still answers, at once, and logged no exception. */
export async function attackedService(environment: Environment = {}): Promise<AttackedService> {
  const database = await testDatabase();
  const process = await dragonfly(database).serve('api', environment);
  const client = await testClient(database, process.apiUrl);
  // What is slow only the first time is not slow because of an attack.
  await client.request('GET', '/v1/jobs');

  afterEach(async () => {
    const startedAt = performance.now();
    const health = await fetch(`${process.apiUrl}/health`);
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }]);
    expect(performance.now() - startedAt).toBeLessThan(HEALTHY_MS);
    expect((await client.request('GET', '/v1/workers')).status).toBe(200);
    expect(process.logs().filter(({ message }) => /unhandled|uncaught/.test(String(message)))).toEqual([]);
  });

  const common = `Host: localhost\r\nAuthorization: Bearer ${client.key}\r\n`;
  return {
    process,
    client,
    send: async (parts, patience) => await exchange(process.apiUrl, parts, patience),
    get: (path, headers = CLOSE) => `GET ${path} HTTP/1.1\r\n${common}${headers}\r\n`,
    post: (headers, body) =>
      `POST /v1/jobs HTTP/1.1\r\n${common}Content-Type: application/json\r\n${headers}\r\n${body}`,
    async jobs() {
      const page = (await (await client.request('GET', '/v1/jobs?limit=100')).json()) as { jobs: unknown[] };
      return page.jobs.length;
    },
  };
}

/** That an answer is this problem, with all that every problem has (API-3, DEP-1, SEC-14). */
export function expectProblem(answer: RawAnswer | undefined, status: number, code: string): void {
  expect(answer?.status).toBe(status);
  expect(answer?.headers).toMatchObject({ 'x-dragonfly-sha': GIT_SHA, ...SECURITY_HEADERS });
  expect(answer?.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(JSON.parse(answer?.body ?? '')).toEqual({
    type: `urn:dragonfly:problem:${code.replaceAll('_', '-')}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
    trace_id: answer?.headers['x-trace-id'],
    ...(code === 'validation_failed' && { errors: expect.any(Array) }),
  });
}

export const statusesOf = ({ answers }: Exchange): number[] => answers.map(({ status }) => status);
