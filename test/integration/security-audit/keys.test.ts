import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../support/database.ts';
import { audit, auditedEnvironment } from '../../support/security-audit.ts';
import { testClient } from '../../support/service.ts';

const database = await testDatabase();
const environment = auditedEnvironment(database);
const admin = new Client({ connectionString: database.urls.admin });
await admin.connect();
afterAll(async () => await admin.end());

const days = (count: number): string => `now() - interval '${count} days'`;
const keep = async (change: string, key: string) =>
  await admin.query(`update public.api_key set ${change} where name = '${key}'`);

describe('[SEC-5] of API keys, of whatever organisation, the audit', () => {
  it('counts those that may everything, and leaves what ended or was revoked aside', async () => {
    await testClient(database, '', 'counted', 'admin');
    await testClient(database, '', 'counted', 'viewer');
    const { of } = await audit(environment);
    expect(of('key-admins')).toMatchObject({ summary: '1 of 2 live keys may all that an admin may' });
    expect(of('key-lifetime')).toMatchObject({ severity: 'ok' });
    await keep('revoked_at = now()', 'test viewer');
    expect((await audit(environment)).of('key-admins')).toMatchObject({
      summary: expect.stringMatching(/^1 of 1 /),
    });
  });

  it('warns of those that nobody uses', async () => {
    await testClient(database, '', 'unused', 'auditor');
    await testClient(database, '', 'used', 'operator');
    await keep(`created_at = ${days(40)}`, 'test auditor');
    await keep(`created_at = ${days(40)}, last_used_at = ${days(1)}`, 'test operator');
    const { of } = await audit(environment);
    expect(of('key-unused')).toMatchObject({
      severity: 'warning',
      summary: 'unused/test auditor',
      mend: `dragonfly keys revoke --organization 'unused' --name 'test auditor'`,
    });
    await keep('revoked_at = now()', 'test auditor');
  });

  it.for([
    ['an end that is far', `expires_at = now() + interval '200 days'`, '200 d'],
    ['no end', `expires_at = 'infinity'`, 'no end'],
  ] as const)('finds one that has %s, past the constraint', async ([, change, says]) => {
    await testClient(database, '', 'endless', 'service');
    await admin.query('begin');
    await admin.query('alter table public.api_key drop constraint api_key_check');
    await keep(`created_at = now(), ${change}`, 'test service');
    await admin.query('commit');
    const { of, code } = await audit(environment);
    await keep(`expires_at = now() + interval '1 day'`, 'test service');
    await admin.query(
      `alter table public.api_key add constraint api_key_check check (expires_at <= created_at + interval '90 days')`,
    );
    expect(code).toBe(1);
    expect(of('key-lifetime')).toMatchObject({
      severity: 'critical',
      summary: `endless/test service: ${says}`,
    });
  });
});
