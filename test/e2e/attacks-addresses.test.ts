import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { testDatabase } from '#test/support/database.ts';
import { type JobBody, getJob, untilJob, webhookTo } from '#test/support/jobs.ts';
import { receiver } from '#test/support/receiver.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { type TestClient, testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';

// Not here: a name that answers with another address the second time (rebinding). It needs a resolver of the test's own, and
// the service takes none: test/integration/webhook/addresses.test.ts.

/** A client of a process of both roles, which delivers to loopback only where that is said. */
async function clientWhere(loopbackIsAllowed: boolean): Promise<TestClient> {
  const database = await testDatabase();
  const { apiUrl } = await dragonfly(database).serve('all', {
    DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: String(loopbackIsAllowed),
    // On a busy machine an attempt is not to be lost with its lease, and made again.
    DRAGONFLY_WORKER_ABORT_AFTER: '20s',
    DRAGONFLY_WORKER_DEAD_AFTER: '30s',
  });
  return await testClient(database, apiUrl);
}
const inProduction = await clientWhere(false);
const inDevelopment = await clientWhere(true);

interface Batch {
  readonly jobs: readonly JobBody[];
}

/** What becomes of a delivery to each of the addresses, once all have ended. */
async function fates(client: TestClient, urls: readonly string[]): Promise<Partial<JobBody>[]> {
  const batch = { jobs: urls.map((url) => webhookTo(url)) };
  const response = await client.request('POST', '/v1/jobs/batch', batch);
  const { jobs } = (await response.json()) as Batch;
  return await until(async () => {
    const now = await Promise.all(jobs.map(async ({ id }) => await getJob(client, id)));
    for (const { status } of now) expect(status).toMatch(/completed|failed/);
    return now;
  });
}

/** A dead letter after one attempt, for the reason that the guard gives. */
const refused = { status: 'failed', attempts: 1, last_error: expect.stringMatching(/public addresses only/) };

const THIS_MACHINE = [
  'http://127.0.0.1:{port}/',
  'http://127.255.255.254:{port}/',
  'http://127.1:{port}/',
  'http://127.0.1:{port}/',
  'http://127.0.0.1.:{port}/',
  'http://2130706433:{port}/',
  'http://0x7f000001:{port}/',
  'http://0x7f.0x0.0x0.0x1:{port}/',
  'http://017700000001:{port}/',
  'http://0177.0.0.1:{port}/',
  'http://0177.0.0.0x1:{port}/',
  'http://%31%32%37.0.0.1:{port}/',
  'http://①②⑦.0.0.1:{port}/',
  'http://１２７。0。0。1:{port}/',
  'http://0:{port}/',
  'http://0.0.0.0:{port}/',
  'http://localhost:{port}/',
  'http://LOCALHOST:{port}/',
  'http://ｌocalhost:{port}/',
  'http://[::1]:{port}/',
  'http://[0:0:0:0:0:0:0:1]:{port}/',
  'http://[::]:{port}/',
  'http://[::127.0.0.1]:{port}/',
  'http://[::ffff:127.0.0.1]:{port}/',
  'http://[::ffff:7f00:1]:{port}/',
  'http://[::ffff:0:127.0.0.1]:{port}/',
  'http://[64:ff9b::127.0.0.1]:{port}/',
  'http://[64:ff9b:1::7f00:1]:{port}/',
  'http://[2002:7f00:1::]:{port}/',
  'http://127.0.0.1:{port}\\@public.example/',
  'http://127.0.0.1:{port}#@public.example/',
  'http://127.0.0.1:{port}?@public.example/',
  'http://:@127.0.0.1:{port}/',
  ' http://127.0.0.1:{port}/ ',
];

const INSIDE = [
  'http://10.0.0.1/',
  'http://012.0.0.1/',
  'http://167772161/',
  'http://172.16.0.1/',
  'http://192.168.0.1/',
  'http://100.64.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/latest/meta-data/',
  'http://0xa9fea9fe/latest/meta-data/',
  'http://0251.0376.0251.0376/latest/meta-data/',
  'http://169.254.43518/latest/meta-data/',
  'http://168.63.129.16/metadata/instance',
  'http://100.100.100.200/latest/meta-data/',
  'http://192.0.0.192/latest/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'http://[fd00:ec2::254]/latest/meta-data/',
  'http://[fd20:ce::254]/computeMetadata/v1/',
  'http://[fe80::1]/',
  'http://[fc00::1]/',
  'http://[ff02::1]/',
  'http://[::ffff:169.254.169.254]/latest/meta-data/',
  'http://[::ffff:a9fe:a9fe]/latest/meta-data/',
  'http://[64:ff9b::a9fe:a9fe]/latest/meta-data/',
  'http://[64:ff9b::10.0.0.1]/',
  'http://[2002:a9fe:a9fe::]/latest/meta-data/',
  'http://[2001:0:a9fe:a9fe::]/',
];

describe('[SEC-15] the running service delivers no webhook', () => {
  it('to itself or its machine, however the address is written', async () => {
    const { port, received } = await receiver();
    const urls = THIS_MACHINE.map((url) => url.replace('{port}', String(port)));
    const jobs = await fates(inProduction, urls);
    expect(urls.map((url, index) => [url, jobs[index]])).toMatchObject(urls.map((url) => [url, refused]));
    expect(received).toEqual([]);
  });

  it('to a name of its machine, which not every resolver knows', async () => {
    const { port, received } = await receiver();
    const names = ['localhost.', 'a.localhost', hostname()];
    const batch = { jobs: names.map((name) => webhookTo(`http://${name}:${port}/`)) };
    const { jobs } = (await (await inProduction.request('POST', '/v1/jobs/batch', batch)).json()) as Batch;
    for (const { id } of jobs) await untilJob(inProduction, id, { last_error: expect.any(String) });
    expect(received).toEqual([]);
  });

  it.for([
    ['in production', inProduction],
    ['in development', inDevelopment],
  ] as const)('to a private network or the metadata of a cloud, %s', async ([, client]) => {
    const jobs = await fates(client, INSIDE);
    expect(INSIDE.map((url, index) => [url, jobs[index]])).toMatchObject(INSIDE.map((url) => [url, refused]));
  });

  it.for([
    'http://user@127.0.0.1:{port}/',
    'http://user:password@127.0.0.1:{port}/',
    'http://public.example@127.0.0.1:{port}/',
    'http://public.example%00@127.0.0.1:{port}/',
    'http:127.0.0.1:{port}/',
    'ht\ntp://127.0.0.1:{port}/',
    '//127.0.0.1:{port}/',
    '127.0.0.1:{port}',
    'ftp://127.0.0.1:{port}/',
    'gopher://127.0.0.1:{port}/_GET%20/',
    'file:///etc/passwd',
    'unix:/var/run/docker.sock',
    'http://[fe80::1%25eth0]:{port}/',
    'http://[::1:{port}/',
    'http://127.0.0.1.example\u0000:{port}/',
    'http://256.0.0.1:{port}/',
    'http://4294967296:{port}/',
  ])('whose URL is %s: 422', async (url) => {
    const { port, received } = await receiver();
    for (const client of [inProduction, inDevelopment]) {
      const job = webhookTo(url.replace('{port}', String(port)));
      expect((await client.request('POST', '/v1/jobs', job)).status).toBe(422);
    }
    expect(received).toEqual([]);
  });

  it('to where a receiver that is allowed redirects', async () => {
    const inside = await receiver();
    const allowed = await receiver(({ url = '' }, response) => {
      const [, status, location] = url.split('/').map(decodeURIComponent);
      response.writeHead(Number(status), { location }).end();
    });
    const urls = [301, 302, 303, 307, 308].flatMap((status) =>
      [inside.url, 'http://169.254.169.254/'].map(
        (location) => `${allowed.url}/${status}/${encodeURIComponent(location)}`,
      ),
    );
    const jobs = await fates(inDevelopment, urls);
    const notFollowed = expect.stringMatching(/redirects are not followed/) as string;
    expect(jobs).toMatchObject(urls.map(() => ({ status: 'failed', attempts: 1, last_error: notFollowed })));
    expect(allowed.received).toHaveLength(urls.length);
    expect(inside.received).toEqual([]);
  });
});
