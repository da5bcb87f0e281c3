import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { ApiKeyFormat, ApiKeyStore, Cache } from './ports.ts';

interface Dependencies {
  readonly format: ApiKeyFormat;
  readonly keys: ApiKeyStore;
  /** Its time to live bounds how long a revoked key still works. */
  readonly known: Cache<Principal>;
  /** Told of each use, off the critical path. */
  readonly onUse: (keyId: string) => void;
}

export type Authenticate = ReturnType<typeof makeAuthenticate>;

/** Who holds this key. A malformed one is refused without asking the database. */
export function makeAuthenticate({ format, keys, known, onUse }: Dependencies) {
  /** @throws DomainError `unauthenticated` */
  return async function authenticate(key: string): Promise<Principal> {
    const hash = format.hash(key) ?? refuse();
    const cached = known.get(hash);
    if (cached) {
      onUse(keyIdOf(cached));
      return cached;
    }
    const found = (await keys.find(hash)) ?? refuse();
    const principal = { actor: `${ACTOR_PREFIX}${found.keyId}`, organizationId: found.organizationId };
    known.set(hash, principal);
    onUse(found.keyId);
    return principal;
  };
}

const ACTOR_PREFIX = 'api_key:';
const keyIdOf = (principal: Principal): string => principal.actor.slice(ACTOR_PREFIX.length);

function refuse(): never {
  throw new DomainError(
    'unauthenticated',
    'The API key is missing, unknown, revoked or expired. Send `Authorization: Bearer dfk_…`.',
  );
}
