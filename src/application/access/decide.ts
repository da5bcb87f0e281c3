import type { Permission } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';

export type Decision = 'granted' | 'permission_missing' | 'other_organization';

/** Port of whoever has to ask. */
export type Decide = (principal: Principal, permission: Permission, organizationId?: string) => Decision;

/**
 * SEC-3: the one place in which it is decided whether somebody may do something. Nobody acts outside of their own
 * organisation, whatever their role.
 *
 * @param organizationId of what is acted on; left out, it is the principal's own
 */
export const decide: Decide = ({ permissions, organizationId: own }, permission, organizationId = own) => {
  if (organizationId !== own) return 'other_organization';
  return permissions.has(permission) ? 'granted' : 'permission_missing';
};
