import { permissionsOf } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { ApiKeyFormat, ApiKeyStore, Cache, FoundKey, KeyUse, KnownKey } from './ports.ts';

interface Dependencies {
  readonly format: ApiKeyFormat;
  readonly keys: ApiKeyStore;
  /** By hash. Its time to live, from the start of the look-up, bounds how long a revoked key still works. */
  readonly cache: Cache<KnownKey>;
  /** Told of each use, off the critical path. */
  readonly onUse: (use: KeyUse) => void;
}

export interface Authenticate {
  /**
   * Who holds this key. A malformed one is refused without asking the database.
   *
   * @throws DomainError `unauthenticated`, `database_unavailable`
   */
  (key: string): Promise<Principal>;
  /** The same from memory alone; undefined when only the database can say. */
  known(key: string): Principal | undefined;
}

export function makeAuthenticate({ format, keys, cache, onUse }: Dependencies): Authenticate {
  function accept({ keyId, principal }: KnownKey): Principal {
    onUse({ keyId, organizationId: principal.organizationId });
    return principal;
  }

  function known(key: string): Principal | undefined {
    const found = cache.get(format.hash(key));
    return found && found.expiresAt > Date.now() ? accept(found) : undefined;
  }

  async function authenticate(key: string): Promise<Principal> {
    if (!format.isWellFormed(key)) refuse();
    return known(key) ?? accept(await look(format.hash(key)));
  }

  async function look(hash: string): Promise<KnownKey> {
    // A revocation may overtake the answer.
    const start = performance.now();
    const found = knownFrom((await keys.find(hash)) ?? refuse());
    cache.set(hash, found, { start });
    return found;
  }

  return Object.assign(authenticate, { known });
}

const knownFrom = ({ keyId, organizationId, role, scopes, expiresAt }: FoundKey): KnownKey => ({
  keyId,
  principal: { actor: `api_key:${keyId}`, organizationId, role, permissions: permissionsOf(role, scopes) },
  expiresAt,
});

function refuse(): never {
  throw new DomainError(
    'unauthenticated',
    'The API key is missing, unknown, revoked or expired. Send `Authorization: Bearer dfk_…`.',
  );
}
