import { DomainError } from '#src/domain/errors.ts';
import { DatabaseError } from 'pg';

/**
 * SQLSTATE classes that say "not now" rather than "never so": connection, resources, operator, system, authorisation
 * (a password that is being rotated), and transactions that lost against others (postgresql.org/docs/current/errcodes-appendix.html).
 */
const NOT_NOW = /^(?:08|28|40|53|55P03|57|58)/;

/** What went wrong with a connection rather than with a statement has no SQLSTATE. */
export const isConnectionError = (error: unknown): boolean => !(error instanceof DatabaseError);

/** The domain's word for a failure of the database; any other error as it is. */
export function translateError(error: unknown): unknown {
  if (error instanceof DatabaseError) {
    if (error.constraint === 'job_unique_key') {
      return new DomainError(
        'unique_key_taken',
        'Another unfinished job has this unique key; wait for it or cancel it.',
        {
          cause: error,
        },
      );
    }
    if (!NOT_NOW.test(error.code ?? '')) return error;
  }
  return new DomainError(
    'database_unavailable',
    'The database cannot be reached at the moment. Try again shortly.',
    {
      cause: error,
    },
  );
}
