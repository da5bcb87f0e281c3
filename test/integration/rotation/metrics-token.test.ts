import { testDatabase } from '#test/support/database.ts';
import { mountedSecret } from '#test/support/mounted-secret.ts';
import { dragonfly } from '#test/support/service-process.ts';
import { expect, it } from 'vitest';
import { filesOf, newPassword, untilRotated } from './setup.ts';

const TOKEN = 'DRAGONFLY_METRICS_TOKEN';
const service = dragonfly(await testDatabase());

it('[SEC-18] [SEC-3] during the overlap a scraper with either token gets metrics, and then one with the new', async () => {
  const [first, second] = [newPassword() + newPassword(), newPassword() + newPassword()];
  const mount = mountedSecret({ [TOKEN]: first });
  const process = await service.serve('api', filesOf(mount, [TOKEN]));
  const statuses = async (): Promise<number[]> =>
    await Promise.all(
      [first, second].map(async (token) => {
        const headers = { authorization: `Bearer ${token}` };
        return (await fetch(`${process.metricsUrl}/metrics`, { headers })).status;
      }),
    );
  expect(await statuses()).toEqual([200, 401]);

  mount.swap({ [TOKEN]: `${second},${first}` });
  await untilRotated(process, [TOKEN]);
  expect(await statuses()).toEqual([200, 200]);

  mount.swap({ [TOKEN]: second });
  await untilRotated(process, [TOKEN, TOKEN]);
  expect(await statuses()).toEqual([401, 200]);
  expect(JSON.stringify(process.logs())).not.toContain(second);
});
