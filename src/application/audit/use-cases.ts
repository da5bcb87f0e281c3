import type { RequestContext } from '../context.ts';
import type { Transactions } from '../transactions.ts';
import type { AuditFilter, AuditPage, AuditStore } from './ports.ts';

interface Dependencies {
  readonly transactions: Transactions;
  readonly store: AuditStore;
}

export type AuditUseCases = ReturnType<typeof auditUseCases>;

/** What an auditor can do, within its organisation. */
export function auditUseCases({ transactions, store }: Dependencies) {
  return {
    async listEntries(
      context: RequestContext,
      filter: AuditFilter,
      after: number | undefined,
      limit: number,
    ): Promise<AuditPage> {
      return await transactions.transaction(context, store.listEntries(filter, after, limit));
    },
  };
}
