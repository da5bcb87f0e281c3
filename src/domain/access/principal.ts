import type { Permission, Role } from './permission.ts';

/** Who asks: an API key of an organisation. */
export interface Principal {
  /** For trails and logs, never a secret: `api_key:<id>`. */
  readonly actor: string;
  readonly organizationId: string;
  readonly role: Role;
  /** Of the role, narrowed by the scopes of the key. */
  readonly permissions: ReadonlySet<Permission>;
}
