import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import type { Manifest } from '#src/application/backup/manifest.ts';
import type { ServingRole } from '#src/composition/base.ts';
import { type RunningService, serve } from '#src/composition/serve.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { testEnvironment } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { type Installation, PROGRAMS, backupsFolder, installation } from './setup.ts';

interface JobView {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
}

const start = async (
  on: Installation,
  roles: readonly ServingRole[] = ['api', 'worker'],
): Promise<RunningService> => await serve(roles, testEnvironment({ name: 'app', urls: urlsOf(on) }));

const clientOf =
  ({ urls }: RunningService, key: string) =>
  async (method: string, path: string, body?: object) => {
    const answer = await fetch(new URL(path, urls['api']), {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
    return (await answer.json()) as JobView;
  };

const echo = (message: string, more: object = {}) => ({ type: 'smoke.echo', payload: { message }, ...more });
const LATER = { run_at: '2099-01-01T00:00:00Z' };

describe.runIf(PROGRAMS)('[DATA-8] a database that is lost with its server', () => {
  const services: RunningService[] = [];
  afterAll(async () => {
    for (const service of services) await service.stop();
  });

  it('[Q-3] works on from its backup: waiting jobs run, running jobs return, keys and unique keys hold', async () => {
    const before = await installation();
    await before.run('migrate', 'up');
    const { key } = (await before.run(
      'keys',
      'create',
      '--organization',
      'acme',
      '--name',
      'a',
      '--role',
      'admin',
    )) as { key: string };
    const running = await start(before);
    const call = clientOf(running, key);
    const completed = await call('POST', '/v1/jobs', echo('completed'));
    await until(async () =>
      expect(await call('GET', `/v1/jobs/${completed.id}`)).toMatchObject({ status: 'completed' }),
    );
    const cancelled = await call('POST', '/v1/jobs', echo('cancelled', LATER));
    await call('POST', `/v1/jobs/${cancelled.id}/cancel`);
    await running.stop();

    const api = await start(before, ['api']);
    const later = clientOf(api, key);
    const processing = await later('POST', '/v1/jobs', echo('processing'));
    await before.sql(`select ops.register_heartbeat('worker-of-before', 'test')`);
    const claimed = await before.sql(
      `select job_id from ops.claim_jobs('{smoke.echo}', 1, 30, 'worker-of-before')`,
    );
    expect(claimed).toEqual([{ job_id: processing.id }]);
    const waiting = await later('POST', '/v1/jobs', echo('waiting'));
    const unique = await later('POST', '/v1/jobs', echo('unique', { ...LATER, unique_key: 'k' }));
    await before.sql('select ops.seal_audit_log(1000)');

    // Others go on writing while it is dumped; what they write is in it whole or not at all.
    const writing = new AbortController();
    const writer = (async () => {
      for (; !writing.signal.aborted; await sleep(1))
        await later('POST', '/v1/jobs', echo('meanwhile', LATER));
    })();
    const folder = join(backupsFolder(), 'one');
    const made = (await before.run('backup', '--to', folder)) as {
      manifest_sha256: string;
      manifest: Manifest;
    };
    writing.abort();
    await writer;
    const { audit_head: head } = made.manifest.facts;
    expect(head).toMatch(/^[0-9a-f]{64}$/);
    await api.stop();
    await before.destroy();

    const after = await installation();
    await after.run('restore', '--from', folder, '--expect', made.manifest_sha256);
    expect(await after.run('migrate', 'up')).toEqual({ applied: [] });
    expect(await after.run('audit', 'verify', '--expect', head ?? '')).toMatchObject({ ok: true });

    // A restore of a larger database takes longer than the minute after which a silent worker is dead.
    await after.sql(`update ops.worker set last_seen_at = now() - interval '2 minutes'`);
    const restored = await start(after);
    services.push(restored);
    const now = clientOf(restored, key);
    expect(await now('GET', `/v1/jobs/${completed.id}`)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await now('GET', `/v1/jobs/${cancelled.id}`)).toMatchObject({ status: 'cancelled' });
    await until(async () => {
      expect(await now('GET', `/v1/jobs/${waiting.id}`)).toMatchObject({ status: 'completed', attempts: 1 });
      expect(await now('GET', `/v1/jobs/${processing.id}`)).toMatchObject({
        status: 'completed',
        attempts: 2,
      });
    });
    expect(await now('POST', '/v1/jobs', echo('unique', { ...LATER, unique_key: 'k' }))).toMatchObject({
      id: unique.id,
    });
    const fresh = await now('POST', '/v1/jobs', echo('new'));
    await until(async () =>
      expect(await now('GET', `/v1/jobs/${fresh.id}`)).toMatchObject({ status: 'completed' }),
    );
    await after.sql('select ops.maintain()');
  }, 120_000);
});

function urlsOf({ environment, url }: Installation) {
  return {
    api: environment['DRAGONFLY_API_DATABASE_URL'] ?? '',
    worker: environment['DRAGONFLY_WORKER_DATABASE_URL'] ?? '',
    owner: environment['DRAGONFLY_OWNER_DATABASE_URL'] ?? '',
    readonly: '',
    admin: url,
  };
}
