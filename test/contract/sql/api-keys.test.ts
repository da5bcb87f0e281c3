import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { only } from './queue.ts';
import { connectRoles } from './roles.ts';

const { owner, api, session } = await connectRoles();

const createOrganization = async (name: string): Promise<string> =>
  only(await owner<{ id: string }>`select ops.create_organization(${name}) as id`).id;
const ORGANIZATION = await createOrganization('acme');

/** Stores a new key; its hash, by which it is found. */
async function issue(name: string, lifetime = '1 day'): Promise<Buffer> {
  const hash = randomBytes(32);
  await owner`select ops.issue_api_key(${ORGANIZATION}, ${name}, ${hash}, ${lifetime})`;
  return hash;
}
const revoke = async (name: string) =>
  await owner<{ id: string }>`select ops.revoke_api_keys(${ORGANIZATION}, ${name}) as id`;
const authenticate = async (hash: Buffer) =>
  await api<{ key_id: string; organization_id: string }>`select * from ops.authenticate_api_key(${hash})`;

it('an organisation is made once, however many ask at once', async () => {
  const name = randomUUID();
  const ids = await Promise.all(Array.from({ length: 8 }, async () => await createOrganization(name)));
  expect(new Set(ids).size).toBe(1);
});

describe('[SEC-5] an API key', () => {
  it('is found by its hash, with its organisation and expiry', async () => {
    const found = await authenticate(await issue('found'));
    expect(found).toMatchObject([{ organization_id: ORGANIZATION, expires_at: expect.any(Date) }]);
    expect(await authenticate(randomBytes(32))).toEqual([]);
  });

  it('is not found once it has expired', async () => {
    expect(await authenticate(await issue('expired', '-1 second'))).toEqual([]);
  });

  it('lives 90 days at most', async () => {
    expect(await authenticate(await issue('long', '90 days'))).toHaveLength(1);
    await expect(issue('longer', '90 days 1 second')).rejects.toMatchObject({ code: '23514' });
  });

  it('revokes the one of the same name, and no other', async () => {
    const [first, other] = [await issue('name'), await issue('other name')];
    const second = await issue('name');
    expect(await authenticate(first)).toEqual([]);
    expect(await authenticate(second)).toHaveLength(1);
    expect(await authenticate(other)).toHaveLength(1);
  });

  it('can be revoked by its name, and only that one', async () => {
    const [leaked, other] = [await issue('leaked'), await issue('not leaked')];
    const [{ key_id } = { key_id: '' }] = await authenticate(leaked);
    expect(await revoke('leaked')).toEqual([{ id: key_id }]);
    expect(await revoke('leaked')).toEqual([]);
    expect(await authenticate(leaked)).toEqual([]);
    expect(await authenticate(other)).toHaveLength(1);
  });

  it('is the only live one of its name, also when another is being issued', async () => {
    const { sql, pid } = await session('owner');
    const first = randomBytes(32);
    await sql`begin`;
    await sql`select ops.issue_api_key(${ORGANIZATION}, 'at once', ${first}, '1 day')`;
    const second = issue('at once');
    const waiting = async () =>
      await owner`select from pg_stat_activity where ${pid}::integer = any (pg_blocking_pids(pid))`;
    await expect.poll(waiting, { interval: 5, timeout: 5000 }).toHaveLength(1);
    await sql`commit`;
    expect(await authenticate(await second)).toHaveLength(1);
    expect(await authenticate(first)).toEqual([]);
  });

  it('is stamped with its use, by many replicas at once and in any order', async () => {
    const keys = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (name) => await authenticate(await issue(name))),
    );
    const ids = keys.flat().map(({ key_id }) => key_id);
    const stamps = Array.from({ length: 16 }, async (_, index) => {
      const order = index % 2 === 0 ? ids : ids.toReversed();
      return await api`select ops.touch_api_keys(${order})`;
    });
    await expect(Promise.all(stamps)).resolves.toHaveLength(16);
  });
});
