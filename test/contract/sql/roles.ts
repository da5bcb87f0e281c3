import { Client, Pool, type QueryResultRow } from 'pg';
import { afterAll } from 'vitest';
import { type TestDatabase, testDatabase } from '../../support/database.ts';

export type Role = keyof TestDatabase['urls'];

/** Runs one statement, the values as parameters, and returns its rows: sql`select ${1}::int as one`. */
export type Sql = <R extends QueryResultRow = QueryResultRow>(
  text: TemplateStringsArray,
  ...values: unknown[]
) => Promise<R[]>;

/** Transaction-local settings by which a caller says who it is and which lease it holds. */
export interface Settings {
  readonly organization_id?: string;
  readonly actor?: string;
  readonly trace_id?: string;
  readonly lease_token?: string;
}

/** A connection of a role's own, for transactions that stay open while others act. */
export interface Session {
  readonly sql: Sql;
  /** A statement whose text the test composes. */
  run(text: string): Promise<unknown>;
  /** Of the server process. */
  readonly pid: number;
}

export interface Roles extends Readonly<Record<Role, Sql>> {
  readonly urls: TestDatabase['urls'];
  session(role: Role): Promise<Session>;
  /** One statement in a transaction of its own that carries the settings. */
  as(role: Role, settings: Settings): Sql;
}

/** The roles of a database of the calling test file's own, each as itself. */
export async function connectRoles(database?: TestDatabase): Promise<Roles> {
  const { urls } = database ?? (await testDatabase());
  const ends: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await Promise.all(ends.map(async (end) => await end()));
  });

  const pool = (role: Role): Pool => {
    const made = new Pool({ connectionString: urls[role], max: 8, application_name: 'contract' });
    ends.push(async () => await made.end());
    return made;
  };
  const pools = {
    owner: pool('owner'),
    api: pool('api'),
    worker: pool('worker'),
    readonly: pool('readonly'),
    admin: pool('admin'),
  };

  return {
    urls,
    owner: sqlOf(pools.owner),
    api: sqlOf(pools.api),
    worker: sqlOf(pools.worker),
    readonly: sqlOf(pools.readonly),
    admin: sqlOf(pools.admin),

    async session(role) {
      const client = new Client({ connectionString: urls[role], application_name: 'contract' });
      // A session that is ended from outside: the test's next statement in it fails.
      client.on('error', () => undefined);
      await client.connect();
      ends.push(async () => await client.end());
      const sql = sqlOf(client);
      const [row] = await sql<{ pid: number }>`select pg_backend_pid() as pid`;
      return { sql, run: async (text) => await client.query(text), pid: row?.pid ?? 0 };
    },

    as:
      (role, settings) =>
      async (text, ...values) => {
        const client = await pools[role].connect();
        try {
          await client.query('begin');
          await apply(sqlOf(client), settings);
          const rows = await sqlOf(client)(text, ...values);
          await client.query('commit');
          return rows as never;
        } catch (error) {
          await client.query('rollback');
          throw error;
        } finally {
          client.release();
        }
      },
  };
}

/** Gives the open transaction its settings. */
export async function apply(sql: Sql, settings: Settings): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await sql`select set_config(${`ops.${name}`}, ${value}, true)`;
  }
}

const sqlOf =
  (connection: Pick<Client | Pool, 'query'>): Sql =>
  async (text, ...values) => {
    const parameterised = text.reduce((all, part, index) => `${all}$${index}${part}`);
    const { rows } = await connection.query({ text: parameterised, values });
    return rows as never;
  };
