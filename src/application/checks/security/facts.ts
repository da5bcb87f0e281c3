/** Of a role of the database, as the catalogue has it. */
export interface RoleFacts {
  readonly name: string;
  /** Of `superuser`, `bypassrls`, `createrole`, `createdb` and `replication`. */
  readonly attributes: readonly string[];
  readonly memberOf: readonly string[];
  readonly owns: readonly string[];
  /** Schemas, and the database, in which it may create. */
  readonly createsIn: readonly string[];
  /** Tables that it may touch in any way, however it came to that. */
  readonly tables: readonly string[];
}

export interface Grant {
  /** The role's name, or `PUBLIC`. */
  readonly role: string;
  readonly kind: 'database' | 'schema' | 'relation' | 'function' | 'sequence';
  readonly object: string;
  /** Separated by commas, as psql shows them: `*` after one that may be passed on. */
  readonly privileges: string;
}

export interface TableFacts {
  readonly name: string;
  /** Row-level security is enabled, and forced. */
  readonly forced: boolean;
  /** Expressions of permissive policies: any one of them shows a row. */
  readonly policies: readonly { readonly name: string; readonly expressions: readonly string[] }[];
}

export interface FunctionFacts {
  readonly name: string;
  /** Runs with the rights of its owner. */
  readonly definer: boolean;
  readonly searchPath: string | null;
  /** Everybody may execute it. */
  readonly open: boolean;
}

/** What the audit knows of PostgreSQL. */
export interface DatabaseSecurity {
  /** Also those that are missing, which have nothing; by what they are for. */
  readonly roles: Readonly<Record<'owner' | 'api' | 'worker' | 'readonly', RoleFacts>>;
  readonly missingRoles: readonly string[];
  readonly grants: readonly Grant[];
  /** Of `public`, which holds what is keyed by organisation. */
  readonly tables: readonly TableFacts[];
  /** Views of `ops` that a role may read, and through which a condition of its own sees rows that are filtered out. */
  readonly leakyViews: readonly string[];
  readonly functions: readonly FunctionFacts[];
  /** What everybody may in the schemas, such as `usage on ops`. */
  readonly publicSchemas: readonly string[];
  /** Whom what is created later will be granted to, beside its owner. */
  readonly defaultPrivileges: readonly { readonly says: string; readonly mend: string }[];
  /** Only a superuser can arrange that direct DDL is recorded. */
  readonly recordsDdl: boolean;
  /** This session's way to the server. */
  readonly connection: 'tls' | 'local' | 'plain';
  readonly passwordEncryption: string;
}

/** A key that neither ended nor was revoked. Ages in days. */
export interface LiveKey {
  readonly organization: string;
  readonly name: string;
  readonly role: string;
  readonly narrowed: boolean;
  readonly ageDays: number;
  /** Null: it has no end. */
  readonly lifetimeDays: number | null;
  /** Null: it was never used. */
  readonly unusedDays: number | null;
  /** Whole days that are left; null: it has no end. */
  readonly endsInDays: number | null;
}
