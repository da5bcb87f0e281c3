export type Decision = 'granted' | 'permission_missing' | 'other_organization';

/** Whoever wants to act; without an organisation it is the installation that they act on. */
interface Actor<P extends string> {
  readonly permissions: ReadonlySet<P>;
  readonly organizationId?: string | undefined;
}

/**
 * SEC-3: the one place in which it is decided whether somebody may do something. Nobody acts outside of their own
 * organisation, whatever their role.
 *
 * @param organizationId of what is acted on, where the caller knows it; left out, it is the actor's own. Routes name rows by id:
 * whose they are is known to the database alone, which shows nobody those of others (decision 0016).
 */
export const decide = <P extends string>(
  { permissions, organizationId: own }: Actor<P>,
  permission: P,
  organizationId = own,
): Decision => {
  if (organizationId !== own) return 'other_organization';
  return permissions.has(permission) ? 'granted' : 'permission_missing';
};

/** Port of whoever has to ask. */
export type Decide = typeof decide;
