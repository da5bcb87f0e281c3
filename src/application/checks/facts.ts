/** What the doctor knows of PostgreSQL. Ages in seconds, sizes in bytes; null: there is none, or it is not to be seen. */
export interface DatabaseFacts {
  readonly version: number;
  readonly settings: Readonly<
    Record<'fsync' | 'full_page_writes' | 'synchronous_commit' | 'autovacuum', string>
  >;
  /** Those that others than superusers may use, and how many are used. */
  readonly connections: { readonly most: number; readonly used: number };
  readonly longestTransaction: {
    readonly seconds: number;
    readonly pid: number;
    readonly application: string;
  } | null;
  readonly oldestPreparedSeconds: number | null;
  /** Transactions since the oldest row that is not frozen, of two thousand million. */
  readonly xidAge: number;
  readonly multixactAge: number;
  readonly slots: readonly { readonly name: string; readonly active: boolean; readonly keptBytes: number }[];
  readonly tables: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly live: number;
    readonly dead: number;
  }[];
  /** Of the server's clock to ours; positive when it is ahead. */
  readonly clockSkewSeconds: number;
  readonly certificateExpiresAt: number | null;
  /** Of everything in the database, indexes included. */
  readonly databaseBytes: number;
  /** Roles of the service that may more than they should. */
  readonly strongRoles: readonly string[];
  /** Tables of `public` whose row-level security is not forced. */
  readonly openTables: readonly string[];
  readonly auditUnsealedSeconds: number;
  readonly queue: QueueFacts;
  /** Names of functions that others call whose signature is missing or another, or not the only one that a call could mean. */
  readonly faultySignatures: readonly string[];
}

export interface QueueFacts {
  readonly types: readonly {
    readonly type: string;
    readonly depth: number;
    readonly dead: number;
    readonly oldestSeconds: number;
  }[];
  readonly frozenSeconds: number | null;
  readonly pauses: readonly { readonly type: string; readonly seconds: number }[];
  readonly workersAlive: number;
  /** That ended without saying so, within the last day. */
  readonly workersSilent: readonly string[];
  /** Leases whose worker is dead, and which no claim has returned yet. */
  readonly lostLeases: number;
  /** Runs that a live worker still holds though their deadline is over. */
  readonly overdue: readonly OverdueRun[];
  /** Days from tomorrow on that have a partition already. */
  readonly daysAhead: number;
}

export interface OverdueRun {
  readonly type: string;
  readonly jobId: string;
  readonly workerId: string;
  /** Since its deadline, counted from the claim. */
  readonly seconds: number;
}

export interface RedisFacts {
  readonly version: string;
  readonly latencyMs: number;
  readonly maxmemoryPolicy: string;
  readonly evictedKeys: number;
  readonly clockSkewSeconds: number;
  readonly certificateExpiresAt: number | null;
}

/** A secret that comes from a file, or straight from the environment. */
export interface CredentialFacts {
  readonly name: string;
  readonly fromFile: boolean;
  readonly ageDays: number | null;
}

/** The machine on which the doctor runs. */
export interface MachineFacts {
  readonly temporaryFolder: string;
  readonly freeTemporaryBytes: number;
}

export interface MigrationFacts {
  readonly pending: readonly string[];
}
