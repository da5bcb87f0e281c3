import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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
const TOKEN = randomBytes(36).toString('base64');
const service = await dragonfly(database, { DRAGONFLY_METRICS_TOKEN: TOKEN }).serve('all');
const client = await testClient(database, service.apiUrl);
const scrape = async (): Promise<string> =>
  await (
    await fetch(`${service.metricsUrl}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })
  ).text();

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

  it('[DATA-9] takes the alerts of the chart, which are of metrics that there are, and rings', async () => {
    const rules = resolve('charts/dragonfly/alerts.yaml');
    const folder = mkdtempSync(join(tmpdir(), 'dragonfly-alerts-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(
      join(folder, 'alerts.test.yml'),
      `rule_files: ["${rules}"]
tests:
  - interval: 1m
    input_series:
      - { series: 'schema_direct_ddl_unacknowledged{namespace="a"}', values: '0x5 2x20' }
      - { series: 'schema_direct_ddl_recording{namespace="a"}', values: '1x5 0x20' }
    promql_expr_test:
      - { expr: 'ALERTS{alertstate="firing"}', eval_time: 5m, exp_samples: [] }
      - { expr: 'count(ALERTS{alertname="DragonflyDirectDdl", alertstate="firing"})', eval_time: 6m, exp_samples: [{ labels: '{}', value: 1 }] }
      - { expr: 'count(ALERTS{alertstate="firing"})', eval_time: 17m, exp_samples: [{ labels: '{}', value: 2 }] }
`,
    );
    for (const args of [
      ['check', 'rules', rules],
      ['test', 'rules', join(folder, 'alerts.test.yml')],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      expect({ status, said: stdout + stderr }).toMatchObject({ status: 0 });
    }
    const expressions = readFileSync(rules, 'utf8').match(/(?<=^ +expr: ).+$/gm) ?? [];
    const named = expressions.flatMap((text) => text.match(/\b[a-z]\w*_\w+/g) ?? []);
    expect(named.length).toBeGreaterThan(1);
    const there = new Set(seriesIn(await scrape()).map((series) => series.replace(/\{.*/, '')));
    expect(named.filter((name) => !there.has(name))).toEqual([]);
  });

  it('[OBS-4] [SEC-3] scrapes our series with their types, by the token', { timeout: 60_000 }, async () => {
    await client.request('GET', '/v1/workers');
    const port = await freePort(39_090);
    const { query, api } = await prometheus(port, new URL(service.metricsUrl).host);

    await until(async () => {
      expect(await query('up{job="dragonfly"}')).toEqual(['1']);
    });
    await until(async () => {
      expect(await query('up{job="without"}')).toEqual(['0']);
    });
    expect(await query('http_request_duration_seconds_count{job="without"}')).toEqual([]);
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

/** A server of the test's own, which scrapes one target with the token, and without. */
async function prometheus(port: number, target: string) {
  const directory = mkdtempSync(join(tmpdir(), 'dragonfly-prometheus-'));
  const configuration = join(directory, 'prometheus.yml');
  const token = join(directory, 'token');
  writeFileSync(token, TOKEN);
  const targets = `static_configs: [{ targets: ["${target}"] }]`;
  writeFileSync(
    configuration,
    `global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: dragonfly, authorization: { credentials_file: "${token}" }, ${targets} }
  - { job_name: without, ${targets} }
`,
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
