import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#dev/servers/ports.ts';
import { testDatabase } from '#test/support/database.ts';
import { jobIn, webhookTo } from '#test/support/jobs.ts';
import { exchange } from '#test/support/raw-http.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { describe, expect, it, onTestFinished } from 'vitest';

const isMissing = spawnSync('promtool', ['--version']).error !== undefined;
if (isMissing && process.env['REQUIRE_SERVICES'] === '1') {
  throw new Error('There is no promtool: install Debian’s package `prometheus`.');
}
const reason = isMissing ? ' (skipped: there is no promtool; Debian’s package `prometheus` has it)' : '';

const database = await testDatabase();
const service = await dragonfly(database).serve('all');
const client = await testClient(database, service.apiUrl);
const scrape = async (): Promise<string> => await (await fetch(`${service.metricsUrl}/metrics`)).text();

/** Of prom-client itself, which names some of its gauges and counters as Prometheus would not. */
const FOREIGN = /^(?:# (?:HELP|TYPE) )?(?:nodejs|process)_/;
const ours = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !FOREIGN.test(line))
    .join('\n');

/** The names with all their labels. */
const seriesIn = (text: string): string[] =>
  ours(text)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));

const random = (): string => randomBytes(6).toString('hex');

it('[OBS-4] a thousand paths, methods and headers that nobody knows add no series', async () => {
  const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND', 'QUERY'];
  const everyKind = async (): Promise<void> => {
    for (const method of methods) {
      for (const path of [`/${random()}`, `/v1/jobs/${random()}`, `/v1/queues/${random()}/pause`, '/%zz']) {
        const headers = `Host: ${random()}\r\nUser-Agent: ${random()}\r\nX-Forwarded-For: ${random()}\r\nConnection: close\r\n`;
        await exchange(service.apiUrl, `${method} ${path} HTTP/1.1\r\n${headers}\r\n`);
      }
    }
    await exchange(service.apiUrl, `${random()} / HTTP/1.1\r\n\r\n`);
  };
  await everyKind();
  const before = seriesIn(await scrape());
  const rounds = Math.ceil(1000 / (methods.length * 4));
  await Promise.all(Array.from({ length: rounds }, everyKind));
  expect(seriesIn(await scrape()).toSorted()).toEqual(before.toSorted());
  expect(before.join('\n')).toContain('route="unmatched"');
});

describe.skipIf(isMissing)(`Prometheus${reason}`, () => {
  it('[OBS-4] has nothing to say against the names, types and units of our metrics', async () => {
    await jobIn(await client.request('POST', '/v1/jobs', webhookTo('http://127.0.0.1:9/')));
    const metrics = ours(await scrape());
    expect(metrics).toContain('http_request_duration_seconds_bucket');
    const said = spawnSync('promtool', ['check', 'metrics'], { input: `${metrics}\n`, encoding: 'utf8' });
    expect([said.stdout, said.stderr, said.status]).toEqual(['', '', 0]);
  });

  it('[OBS-4] scrapes our series with their types', { timeout: 60_000 }, async () => {
    await client.request('GET', '/v1/workers');
    const port = await freePort(39_090);
    const { query, api } = await prometheus(port, new URL(service.metricsUrl).host);

    await until(async () => {
      expect(await query('up{job="dragonfly"}')).toEqual(['1']);
    });
    const requests = 'http_request_duration_seconds_count{route="/v1/workers",method="GET",status="200"}';
    expect(Number((await query(requests))[0])).toBeGreaterThan(0);
    expect(
      await query('histogram_quantile(0.99, http_request_duration_seconds_bucket{route="/v1/workers"})'),
    ).not.toEqual([]);
    expect((await query('db_pool_connections')).length).toBeGreaterThan(0);
    expect(await api('metadata')).toMatchObject({
      http_request_duration_seconds: [{ type: 'histogram' }],
      http_malformed_requests_total: [{ type: 'counter' }],
      db_pool_connections: [{ type: 'gauge' }],
      queue_jobs: [{ type: 'gauge' }],
      queue_oldest_job_age_seconds: [{ type: 'gauge' }],
    });
  });
});

/** A server of the test's own, which scrapes one target. */
async function prometheus(port: number, target: string) {
  const directory = mkdtempSync(join(tmpdir(), 'dragonfly-prometheus-'));
  const configuration = join(directory, 'prometheus.yml');
  writeFileSync(
    configuration,
    `{ global: { scrape_interval: 1s }, scrape_configs: [{ job_name: dragonfly, static_configs: [{ targets: ["${target}"] }] }] }`,
  );
  execFileSync('promtool', ['check', 'config', configuration]);
  const child = spawn(
    'prometheus',
    [
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });

  const api = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    return ((await response.json()) as { data: unknown }).data;
  };
  /** The values of the series that a query finds. */
  const query = async (text: string): Promise<string[]> => {
    const { result } = (await api(`query?query=${encodeURIComponent(text)}`)) as {
      result: { value: [number, string] }[];
    };
    return result.map(({ value: [, value] }) => value);
  };
  return { api, query };
}
