/** Everything that anybody can be allowed to do. Routes and actions of the command line name one each. */
export const PERMISSIONS = [
  'me:read',
  'jobs:read',
  'jobs:queue',
  'jobs:control',
  'queues:read',
  'queues:control',
  'queues:purge',
  'workers:read',
  'api_keys:read',
  'api_keys:write',
  'audit:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const READ = ['me:read', 'jobs:read', 'queues:read', 'workers:read'] as const;

/** What each role allows, within its organisation. */
const ALLOWED = {
  viewer: READ,
  service: ['me:read', 'jobs:read', 'jobs:queue', 'jobs:control', 'queues:read'],
  operator: [...READ, 'jobs:queue', 'jobs:control', 'queues:control'],
  auditor: [...READ, 'api_keys:read', 'audit:read'],
  admin: PERMISSIONS,
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

export type Role = keyof typeof ALLOWED;
export const ROLES = Object.keys(ALLOWED) as readonly Role[];

/** @param scopes narrow the role and never widen it; null narrows nothing */
export function permissionsOf(role: Role, scopes: readonly Permission[] | null): ReadonlySet<Permission> {
  const allowed: readonly Permission[] = ALLOWED[role];
  return new Set(scopes === null ? allowed : allowed.filter((permission) => scopes.includes(permission)));
}
