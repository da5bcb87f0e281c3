import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { testDatabase } from '#test/support/database.ts';
import { jobIn, queueWebhook, webhookTo } from '#test/support/jobs.ts';
import { mountedSecret } from '#test/support/mounted-secret.ts';
import { type Received, receiver } from '#test/support/receiver.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { filesOf, loadOf, newPassword, untilRotated } from './setup.ts';

const SECRET = 'DRAGONFLY_WEBHOOK_SECRET';
const database = await testDatabase();
const service = dragonfly(database, {
  // A busy machine is no failure here.
  DRAGONFLY_SHED_WAIT: '10s',
  DRAGONFLY_DATABASE_ACQUIRE_TIMEOUT: '10s',
  DRAGONFLY_WORKER_ABORT_AFTER: '20s',
  DRAGONFLY_WORKER_DEAD_AFTER: '30s',
  DRAGONFLY_WEBHOOK_RESPONSE_TIMEOUT: '20s',
});

function isVerified(master: string, organizationId: string, { body, headers }: Received): boolean {
  try {
    new Webhook(signingSecret(master, organizationId)).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false; // Signed by another secret only.
  }
}

const idOf = ({ headers }: Received): string => String(headers['webhook-id']);

it(
  '[SEC-18] during the overlap a receiver with either webhook secret verifies, also after a restart',
  { timeout: 90_000 },
  async () => {
    const [first, second] = [newPassword() + newPassword(), newPassword() + newPassword()];
    const mount = mountedSecret({ [SECRET]: first });
    const files = filesOf(mount, [SECRET]);
    const { url, received } = await receiver();
    let process = await service.serve('all', files);
    const deliver = async (): Promise<boolean[]> => {
      const client = await testClient(database, process.apiUrl);
      const before = received.length;
      await queueWebhook(client, url);
      const request = await until(() => {
        const got = received[before];
        if (!got) throw new Error('Nothing is delivered yet.');
        return got;
      });
      return [first, second].map((master) => isVerified(master, client.organizationId, request));
    };
    expect(await deliver()).toEqual([true, false]);

    mount.swap({ [SECRET]: `${second},${first}` });
    await untilRotated(process, [SECRET]);
    expect(await deliver()).toEqual([true, true]);

    process.child.kill('SIGTERM');
    await process.ended;
    process = await service.serve('all', files);
    expect(await deliver()).toEqual([true, true]);

    mount.swap({ [SECRET]: second });
    await untilRotated(process, [SECRET]);
    expect(await deliver()).toEqual([false, true]);
    expect(JSON.stringify(process.logs())).not.toContain(second);
    // The next test's jobs are for another process.
    process.child.kill('SIGTERM');
    await process.ended;
  },
);

it(
  '[SEC-18] under load no request and no delivery fails while the webhook secret rotates, and each delivery verifies',
  { timeout: 90_000 },
  async () => {
    const [first, second] = [newPassword() + newPassword(), newPassword() + newPassword()];
    const mount = mountedSecret({ [SECRET]: first });
    let held = Promise.withResolvers<void>();
    held.resolve();
    const { url, received } = await receiver((_request, response) => {
      void held.promise.then(() => response.writeHead(204).end());
    });
    const process = await service.serve('all', filesOf(mount, [SECRET]));
    const client = await testClient(database, process.apiUrl);
    const queued: string[] = [];
    const load = loadOf(async () => {
      const response = await client.request('POST', '/v1/jobs', webhookTo(url));
      if (response.ok) queued.push((await jobIn(response.clone())).id);
      return response;
    });
    load.atATime(2);

    /** Requests come all the time, and deliveries that were signed before it wait for their answer until it is done. */
    const swapUnderLoad = async (secrets: string, rotated: readonly string[]) => {
      held = Promise.withResolvers();
      const before = received.length;
      await until(() => {
        expect(received.length).toBeGreaterThan(before);
      });
      const signedBefore = received.length;
      mount.swap({ [SECRET]: secrets });
      await untilRotated(process, rotated);
      // The requests that were under way then are over.
      await load.more(20);
      const queuedBefore = queued.length;
      held.resolve();
      await load.more(20);
      return { signedBefore, queuedBefore };
    };
    await load.more(20);
    const begin = await swapUnderLoad(`${second},${first}`, [SECRET]);
    const end = await swapUnderLoad(second, [SECRET, SECRET]);
    await load.stop();
    expect(load.failures).toEqual([]);

    await until(() => {
      expect(received.map(idOf).toSorted()).toEqual(queued.toSorted());
    });
    const verifiedBy = (master: string): string[] =>
      received.filter((delivery) => isVerified(master, client.organizationId, delivery)).map(idOf);
    const [old, young] = [verifiedBy(first), verifiedBy(second)];
    expect(new Set([...old, ...young])).toEqual(new Set(queued));
    expect(old).toEqual(expect.arrayContaining(received.slice(0, end.signedBefore).map(idOf)));
    expect(young).toEqual(expect.arrayContaining(queued.slice(begin.queuedBefore)));
  },
);
