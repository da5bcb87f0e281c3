import { describe, expect, it } from 'vitest';
import { decide } from '#src/application/access/decide.ts';
import {
  PERMISSIONS,
  type Permission,
  ROLES,
  type Role,
  permissionsOf,
} from '#src/domain/access/permission.ts';

const READS = 'me:read jobs:read queues:read workers:read';
/** What each role may do, written down once more: a change of one has to be a change of the other. */
const MAY: Readonly<Record<Role, string>> = {
  viewer: READS,
  service: 'me:read jobs:read jobs:queue jobs:control queues:read',
  operator: `${READS} jobs:queue jobs:control queues:control`,
  auditor: `${READS} api_keys:read audit:read`,
  admin: `${READS} jobs:queue jobs:control queues:control queues:purge api_keys:read api_keys:write audit:read`,
};

const of = (role: Role, scopes: readonly Permission[] | null = null) => ({
  actor: `api_key:${role}`,
  organizationId: 'own',
  role,
  permissions: permissionsOf(role, scopes),
});

const table = ROLES.flatMap((role) => PERMISSIONS.map((permission) => [role, permission] as const));

describe('[SEC-3] who may do what', () => {
  it.for(table)('%s, %s', ([role, permission]) => {
    const may = MAY[role].split(' ').includes(permission);
    expect(decide(of(role), permission)).toBe(may ? 'granted' : 'permission_missing');
    expect(decide(of(role), permission, 'own')).toBe(may ? 'granted' : 'permission_missing');
    expect(decide(of(role), permission, 'another')).toBe('other_organization');
  });

  it.for(table)('scopes narrow %s to %s alone, and never widen it', ([role, permission]) => {
    const narrowed = of(role, [permission]);
    for (const each of PERMISSIONS) {
      const may = each === permission && MAY[role].split(' ').includes(each);
      expect(decide(narrowed, each)).toBe(may ? 'granted' : 'permission_missing');
    }
  });

  it('nothing without a scope', () => {
    for (const permission of PERMISSIONS) {
      expect(decide(of('admin', []), permission)).toBe('permission_missing');
    }
  });
});
