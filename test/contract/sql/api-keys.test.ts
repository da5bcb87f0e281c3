import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { only } from './queue.ts';
import { connectRoles } from './roles.ts';

const { owner, api, as, session } = await connectRoles();

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
    const organizations = ids.map(() => ORGANIZATION);
    const stamps = Array.from({ length: 16 }, async (_, index) => {
      const order = index % 2 === 0 ? ids : ids.toReversed();
      return await api`select ops.touch_api_keys(${order}, ${organizations})`;
    });
    await expect(Promise.all(stamps)).resolves.toHaveLength(16);
    const unstamped = await as('api', { organization_id: ORGANIZATION })`
      select from ops.api_keys where id = any (${ids}) and last_used_at is null`;
    expect(unstamped).toEqual([]);
  });
});

describe('[SEC-5] a client', () => {
  const asAdministrator = as('api', { organization_id: ORGANIZATION, actor: 'api_key:administrator' });
  const create = async (name: string, hash = randomBytes(32)) =>
    only(
      await asAdministrator<{ id: string }>`
        select ops.create_api_key(${name}, ${hash}, '1 day', 'service', '{jobs:read}') as id`,
    ).id;
  const rotate = async (id: string, hash = randomBytes(32), overlap = '1 hour') =>
    only(
      await asAdministrator<{ id: string | null }>`
        select ops.rotate_api_key(${id}, ${hash}, '1 day', ${overlap}) as id`,
    ).id;
  const show = async (id: string) =>
    only(await asAdministrator<Record<string, unknown>>`select * from ops.api_keys where id = ${id}`);

  it('has one key, unless it changes from one to the next', async () => {
    await create('shop');
    await expect(create('shop')).rejects.toMatchObject({ code: '23505', constraint: 'api_key_name' });
    await expect(create('another shop')).resolves.toBeTruthy();
  });

  it('has two live keys with the same rights while it changes', async () => {
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const old = await create('changing', first);
    const successor = (await rotate(old, second)) ?? '';
    expect(await show(successor)).toMatchObject({
      name: 'changing',
      role: 'service',
      scopes: ['jobs:read'],
      created_by: 'api_key:administrator',
    });
    for (const hash of [first, second]) {
      expect(await authenticate(hash)).toMatchObject([{ role: 'service', scopes: ['jobs:read'] }]);
    }
    const { expires_at } = await show(old);
    expect((expires_at as Date).getTime()).toBeLessThanOrEqual(Date.now() + 3_600_000);
    await expect(rotate(old)).rejects.toMatchObject({ code: '23505', constraint: 'api_key_rotation' });
    await expect(rotate(successor)).rejects.toMatchObject({ constraint: 'api_key_rotation' });
  });

  it('has one again when the overlap is over, and none when that is revoked', async () => {
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const old = await create('quick', first);
    const successor = (await rotate(old, second, '0 seconds')) ?? '';
    expect(await authenticate(first)).toEqual([]);
    expect(await rotate(old)).toBeNull();
    expect(await asAdministrator`select ops.revoke_api_key(${successor}) as known`).toEqual([
      { known: true },
    ]);
    expect(await asAdministrator`select ops.revoke_api_key(${successor}) as known`).toEqual([
      { known: true },
    ]);
    expect(await authenticate(second)).toEqual([]);
    expect(await rotate(successor)).toBeNull();
  });

  it('never outlives its own end by being rotated', async () => {
    const id = await create('ending');
    const before = await show(id);
    await rotate(id, randomBytes(32), '24 hours');
    expect(await show(id)).toMatchObject({ expires_at: before['expires_at'] });
  });

  it('of another organisation cannot be seen, rotated or revoked', async () => {
    const hash = randomBytes(32);
    const id = await create('mine', hash);
    const stranger = as('api', { organization_id: await createOrganization('stranger') });
    expect(await stranger`select from ops.api_keys where id = ${id}`).toEqual([]);
    expect(
      await stranger`select ops.rotate_api_key(${id}, ${randomBytes(32)}, '1 day', '0 seconds') as id`,
    ).toEqual([{ id: null }]);
    expect(await stranger`select ops.revoke_api_key(${id}) as known`).toEqual([{ known: false }]);
    expect(await authenticate(hash)).toHaveLength(1);
  });

  it('[DATA-7] is in the audit log with each act', async () => {
    const id = await create('audited');
    const successor = (await rotate(id)) ?? '';
    await asAdministrator`select ops.revoke_api_key(${id})`;
    const acts = await asAdministrator<{ action: string }>`
      select action, target, outcome, actor from ops.audit where target = ${id} order by id`;
    expect(acts).toEqual(
      ['create', 'rotate', 'revoke'].map((act) => ({
        action: `api_key.${act}`,
        target: id,
        outcome: 'done',
        actor: 'api_key:administrator',
      })),
    );
    expect(await show(successor)).toMatchObject({ revoked_at: null });
  });
});
