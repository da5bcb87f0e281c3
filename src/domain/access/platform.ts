/**
 * What can be done to the installation as a whole, and so to every organisation. No API key allows any of it: the actions of
 * the command line name one each.
 */
export const PLATFORM_PERMISSIONS = [
  'platform:read',
  'audit:verify',
  'jobs:read',
  'jobs:write',
  'workers:write',
  'schema:migrate',
  'roles:write',
  'keys:write',
  'secrets:read',
  'releases:read',
  'releases:write',
  'backups:write',
  'backups:restore',
] as const;
export type PlatformPermission = (typeof PLATFORM_PERMISSIONS)[number];

const READ = ['platform:read', 'audit:verify', 'jobs:read', 'releases:read'] as const;

/** What each role of the command line allows: `release` is for pipelines. */
const ALLOWED = {
  reader: READ,
  release: [...READ, 'schema:migrate', 'releases:write', 'backups:write'],
  owner: PLATFORM_PERMISSIONS,
} as const satisfies Readonly<Record<string, readonly PlatformPermission[]>>;

export type PlatformRole = keyof typeof ALLOWED;
export const PLATFORM_ROLES = Object.keys(ALLOWED) as [PlatformRole, ...PlatformRole[]];

export const platformPermissionsOf = (role: PlatformRole): ReadonlySet<PlatformPermission> =>
  new Set(ALLOWED[role]);
