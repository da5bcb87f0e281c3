import { DomainError, type ErrorCode } from '#src/domain/errors.ts';
import { DatabaseError } from 'pg';

/**
 * SQLSTATEs of a server that is away, for whatever statement: connection, authorisation (a password that is being
 * rotated), a standby that is not yet promoted, resources, operator, system; and of one that is not yet migrated: no such
 * schema, function or table (postgresql.org/docs/current/errcodes-appendix.html). Readiness says which.
 */
const AWAY = /^(?:08|25006|25P03|25P04|28|3F000|42883|42P01|53|57P|58)/;
/** This statement lost against others: a conflict, a lock, the time that it may take. */
const CONTENDED = /^(?:40|55P03|57014)/;

/** The last that a server process says: an operator or a time-out of the session ended it. */
const FAREWELL = /^(?:57P0|25P03|25P04)/;

/** What went wrong with a connection rather than with a statement has no SQLSTATE, or is its end. */
export const isConnectionError = (error: unknown): boolean =>
  !(error instanceof DatabaseError) || FAREWELL.test(error.code ?? '');

export const isContended = (error: unknown): boolean =>
  error instanceof DatabaseError && CONTENDED.test(error.code ?? '');

/** By constraint, also those that functions name. */
const TAKEN: ReadonlyMap<string, readonly [code: ErrorCode, message: string]> = new Map([
  [
    'job_unique_key',
    ['unique_key_taken', 'Another unfinished job has this unique key; wait for it or cancel it.'],
  ],
  [
    'api_key_name',
    ['api_key_name_taken', 'This client has a live key; rotate or revoke it, or take another name.'],
  ],
  [
    'api_key_rotation',
    [
      'api_key_rotating',
      'This client has two live keys already; revoke one, or wait until the older one has ended.',
    ],
  ],
]);

/** The domain's word for a failure of the database; any other error as it is. */
export function translateError(error: unknown): unknown {
  if (error instanceof DatabaseError) {
    const taken = TAKEN.get(error.constraint ?? '');
    if (taken) return new DomainError(...taken, { cause: error });
    if (!AWAY.test(error.code ?? '') && !isContended(error)) return error;
  }
  return new DomainError(
    'database_unavailable',
    'The database cannot be reached at the moment. Try again shortly.',
    {
      cause: error,
    },
  );
}
