import { type ClientConfig, type CustomTypesConfig, type Pool, type QueryConfig, types as pgTypes } from 'pg';
import { isConnectionError, translateError } from './errors.ts';
import { RenewablePool, isOutdated } from './renewable-pool.ts';

export interface PoolOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly max: number;
  readonly acquireTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Of transactions, such as PgBouncer: nothing of one transaction is there in the next one. */
  readonly throughPooler?: boolean;
  /** Told of connections that broke while nobody used them; the pool replaces them. */
  readonly onIdleError: (error: Error) => void;
}

export interface SqlQuery {
  /** Set for a fixed text: the server then plans it once a connection. */
  readonly name?: string | undefined;
  readonly text: string;
  readonly values: readonly unknown[];
}

export type Row = Record<string, unknown>;

/** The server says first that a statement took too long; the client only when the server is silent. */
const SERVER_GRACE_MS = 1000;
const TIMESTAMPTZ = 1184;

/** `2026-11-21 07:08:32.123456+00` to RFC 3339, without losing microseconds to a Date. */
const toRfc3339 = (text: string): string =>
  text.replace(' ', 'T').replace(/([+-]\d\d)$/, (offset) => (offset === '+00' ? 'Z' : `${offset}:00`));

const types: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === TIMESTAMPTZ ? toRfc3339 : pgTypes.getTypeParser(oid, format),
};

/** Time-outs that every direct connection of this service has. A statement time-out of 0 is no limit. */
export const connectionConfig = (
  url: string,
  applicationName: string,
  statementTimeoutMs: number,
): ClientConfig => ({
  connectionString: url,
  application_name: applicationName,
  // Its statements are few and look by keys: to plan one anew each time costs more than to run it.
  options: '-c plan_cache_mode=force_generic_plan',
  connectionTimeoutMillis: statementTimeoutMs + SERVER_GRACE_MS,
  statement_timeout: statementTimeoutMs,
  query_timeout: statementTimeoutMs && statementTimeoutMs + SERVER_GRACE_MS,
  idle_in_transaction_session_timeout: statementTimeoutMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  types,
});

/** What PgBouncer refuses a connection for: parameters of the start that it does not know itself. */
const UNKNOWN_TO_POOLERS = {
  statement_timeout: false,
  idle_in_transaction_session_timeout: undefined,
  options: undefined,
} as const;

/** Its statements have no names: what a connection prepared is in one server process, and the next transaction in another. */
class PoolThroughPooler extends RenewablePool {}

/** A bounded pool whose waiting has an end (ARC-10). */
export function createPool(options: PoolOptions): RenewablePool {
  const { throughPooler = false } = options;
  const pool = new (throughPooler ? PoolThroughPooler : RenewablePool)({
    ...connectionConfig(options.url, options.applicationName, options.statementTimeoutMs),
    ...(throughPooler && UNKNOWN_TO_POOLERS),
    max: options.max,
    connectionTimeoutMillis: options.acquireTimeoutMs,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: 1800,
  });
  pool.on('error', options.onIdleError);
  // The pool listens to idle connections only, and an error that nobody listens to ends the process. In use, it is the
  // queries that say what became of their connection.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** The library takes a list that may be written to. */
const configOf = (pool: Pool, { name, text, values }: SqlQuery): QueryConfig => ({
  name: pool instanceof PoolThroughPooler ? undefined : name,
  text,
  values: values as unknown[],
});

/** A connection of the pool, in the hands of one caller. */
export interface Session {
  /** @throws DomainError `database_unavailable`; DatabaseError for what the statement itself did wrong */
  query(query: SqlQuery): Promise<Row[]>;
  /** Its connection failed or may still be busy. */
  readonly broken: boolean;
  /** Gives the connection back, or closes a broken one. Once, and nothing is asked of it afterwards. */
  close(): void;
}

/** @throws DomainError `database_unavailable` when no connection is to be had in time */
export async function openSession(pool: Pool): Promise<Session> {
  let broken = false;
  const failed = (error: unknown): never => {
    broken ||= isConnectionError(error);
    throw translateError(error);
  };
  const client = await pool.connect().catch(failed);
  return {
    async query(statement) {
      const { rows } = await client.query<Row>(configOf(pool, statement)).catch(failed);
      return rows;
    },
    get broken() {
      return broken;
    },
    close() {
      client.release(broken || isOutdated(pool, client));
    },
  };
}

/**
 * One statement as a transaction of its own. By callbacks, because this is the way of nearly every request and each promise
 * of the library brings a second one and a stack trace.
 *
 * @throws like `Session.query`
 */
export const query = (pool: Pool, statement: SqlQuery): Promise<Row[]> =>
  new Promise((resolve, reject) => {
    pool.connect((noClient, client, release) => {
      if (!client) {
        reject(translateError(noClient));
        return;
      }
      client.query<Row>(configOf(pool, statement), (error: Error | null, result) => {
        release((error !== null && isConnectionError(error)) || isOutdated(pool, client));
        if (error) reject(translateError(error));
        else resolve(result.rows);
      });
    });
  });
