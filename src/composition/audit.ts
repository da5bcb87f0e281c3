import { auditSealer } from '#src/adapters/outbound/postgres/audit-sealer.ts';
import type { Base } from './base.ts';

/** One in each process, whatever its roles, over a pool of one of them. */
export function openAuditSealer({ pools, metrics, logger }: Base) {
  const [pool] = pools.values();
  if (!pool) throw new Error('No role has opened a pool.');
  return auditSealer({
    pool,
    metrics,
    // An anchor outside the database: who rewrites the chain does not rewrite the logs.
    onSeal(seal) {
      logger.info({ ...seal }, 'audit log sealed');
    },
    onFailure(error) {
      logger.warn({ error }, 'audit log not sealed, tried again every 5 s');
    },
    onRecovery() {
      logger.warn('audit log sealed again');
    },
  });
}
