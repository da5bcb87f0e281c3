import { type ApiKey, OVERLAP_HOURS } from '#src/domain/access/api-key.ts';
import { type Permission, type Role, permissionsOf } from '#src/domain/access/permission.ts';
import type { Principal } from '#src/domain/access/principal.ts';
import { DomainError } from '#src/domain/errors.ts';
import type { RequestContext } from '../context.ts';
import type { Transactions } from '../transactions.ts';
import type { ApiKeyAdministration } from './ports.ts';

export interface KeyRequest {
  readonly name: string;
  readonly role: Role;
  /** Null: all permissions of the role. */
  readonly scopes: readonly Permission[] | null;
  readonly lifetimeDays: number;
}

export interface IssuedKey {
  readonly key: ApiKey;
  /** Shown once, stored nowhere. */
  readonly secret: string;
}

export interface ApiKeyPage {
  readonly keys: readonly ApiKey[];
  /** Where the next page starts. */
  readonly next: string | undefined;
}

interface Dependencies {
  readonly transactions: Transactions;
  readonly store: ApiKeyAdministration;
  /** A new secret, and its SHA-256 in hex. */
  readonly newSecret: () => { key: string; hash: string };
}

export type ApiKeyUseCases = ReturnType<typeof apiKeyUseCases>;

/**
 * What an administrator can do with the keys of the organisation. Nobody gives away more than they have. That a key is not there is
 * said after the transaction, which has recorded who looked for it (DATA-7).
 */
export function apiKeyUseCases({ transactions, store, newSecret }: Dependencies) {
  return {
    /** @throws DomainError `validation_failed`, `privilege_escalation`, `api_key_name_taken` */
    async createKey(context: RequestContext, by: Principal, request: KeyRequest): Promise<IssuedKey> {
      refuseForeignScopes(request);
      refuseEscalation(by, request);
      const { key: secret, hash } = newSecret();
      return await transactions.transaction(context, async (run) => {
        const id = await run(store.create({ ...request, hash }));
        return { key: found(await run(store.findKey(id))), secret };
      });
    },

    /**
     * A second key of the same client, with the same rights; the first one ends after the overlap.
     *
     * @throws DomainError `api_key_not_found`, `privilege_escalation`, `api_key_rotating`
     */
    async rotateKey(
      context: RequestContext,
      by: Principal,
      { id, lifetimeDays, overlapHours = OVERLAP_HOURS.default }: RotationRequest,
    ): Promise<IssuedKey> {
      const { key: secret, hash } = newSecret();
      const key = await transactions.transaction(context, async (run) => {
        const current = await run(store.findKey(id));
        if (current) refuseEscalation(by, current);
        const successor = await run(store.rotate({ id, hash, lifetimeDays, overlapHours }));
        return successor === undefined ? undefined : await run(store.findKey(successor));
      });
      return { key: found(key), secret };
    },

    /** Idempotent. @throws DomainError `api_key_not_found` */
    async revokeKey(context: RequestContext, id: string): Promise<ApiKey> {
      const key = await transactions.transaction(context, async (run) => {
        const isThere = await run(store.revoke(id));
        return isThere ? await run(store.findKey(id)) : undefined;
      });
      return found(key);
    },

    async listKeys(context: RequestContext, after: string | undefined, limit: number): Promise<ApiKeyPage> {
      const keys = await transactions.transaction(context, store.listKeys(after, limit));
      return { keys, next: keys.length === limit ? keys.at(-1)?.id : undefined };
    },

    /** Of the organisation of the context. */
    async organizationName(context: RequestContext): Promise<string> {
      const name = await transactions.transaction(context, store.organizationName());
      if (name === undefined) throw new Error('The organisation of a key is gone.');
      return name;
    },
  };
}

export interface RotationRequest {
  readonly id: string;
  readonly lifetimeDays: number;
  readonly overlapHours?: number | undefined;
}

function refuseForeignScopes({ role, scopes }: KeyRequest): void {
  const allowed = permissionsOf(role, null);
  const fields = (scopes ?? []).flatMap((scope, index) =>
    allowed.has(scope)
      ? []
      : [{ pointer: `/scopes/${index}`, detail: `The role ${role} does not have ${scope}.` }],
  );
  if (fields.length === 0) return;
  throw new DomainError('validation_failed', 'Scopes narrow a role, they do not widen it; see errors.', {
    fields,
  });
}

function refuseEscalation(
  { permissions }: Principal,
  { role, scopes }: Pick<ApiKey, 'role' | 'scopes'>,
): void {
  const missing = [...permissionsOf(role, scopes)].filter((permission) => !permissions.has(permission));
  if (missing.length === 0) return;
  throw new DomainError(
    'privilege_escalation',
    `Your key cannot give what it does not have: ${missing.join(', ')}.`,
  );
}

function found(key: ApiKey | undefined): ApiKey {
  if (key) return key;
  throw new DomainError('api_key_not_found', 'There is no live API key with this id.');
}
