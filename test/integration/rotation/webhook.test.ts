import { signingSecret } from '#src/adapters/outbound/webhook/signing-secret.ts';
import { testDatabase } from '#test/support/database.ts';
import { queueWebhook } from '#test/support/jobs.ts';
import { mountedSecret } from '#test/support/mounted-secret.ts';
import { type Received, receiver } from '#test/support/receiver.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { testClient } from '#test/support/service.ts';
import { until } from '#test/support/until.ts';
import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { filesOf, newPassword, untilRotated } from './setup.ts';

const SECRET = 'DRAGONFLY_WEBHOOK_SECRET';
const database = await testDatabase();
const service = dragonfly(database);

function isVerified(master: string, organizationId: string, { body, headers }: Received): boolean {
  try {
    new Webhook(signingSecret(master, organizationId)).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false; // Signed by another secret only.
  }
}

it('[SEC-18] during the overlap a receiver with either webhook secret verifies, also after a restart', async () => {
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
});
