import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient, type PoolConfig } from 'pg';

/** Knows the URL that it was opened by, which may no longer be that of its pool. */
class Connection extends Client {
  readonly openedBy: string | undefined;

  constructor(config?: ClientConfig) {
    super(config);
    this.openedBy = config?.connectionString;
  }
}

/** To be closed rather than given back. */
export const isOutdated = (pool: Pool, client: PoolClient): boolean =>
  (client as PoolClient & Connection).openedBy !== pool.options.connectionString;

type Acquired = Parameters<Pool['connect']>[0];

/** How long a pool makes do with the connections that it has. */
const NARROW_MS = 1000;
/** Each one finds the connection gone that it waited for. */
const MOST_WAITS = 3;

/** SQLSTATE class 28: a password that was changed, a role that may no longer come. */
const isRefused = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code?.startsWith('28') === true;

/**
 * A pool whose URL may change while it is used (SEC-18). Between a new password in the database and the same one here,
 * PostgreSQL refuses new connections and keeps those that are open: whoever was to get a new one waits for one of them.
 */
export class RenewablePool extends Pool {
  readonly #max: number;
  #open = 0;
  #narrowed: NodeJS.Timeout | undefined;

  constructor(config: PoolConfig & { readonly max: number }) {
    super({ ...config, Client: Connection });
    this.#max = config.max;
    this.on('connect', () => {
      this.#open += 1;
      this.#widen();
    });
    this.on('remove', () => (this.#open -= 1));
  }

  /**
   * Goes over to another URL, after it has connected there once. New connections are opened by it; those of the URL before
   * are closed, idle ones at once and others when they are released.
   *
   * @throws what connecting throws; all stays as it is
   */
  async renew(url: string): Promise<void> {
    const probe = new Client({ ...this.options, connectionString: url });
    probe.on('error', () => {});
    try {
      await probe.connect();
    } finally {
      probe.connection.stream.destroy();
    }
    this.options.connectionString = url;
    this.#widen();
    for (let idle = this.idleCount; idle > 0; idle -= 1) {
      super.connect((_error, client, release) => {
        if (client) release(isOutdated(this, client));
      });
    }
  }

  override connect(): Promise<PoolClient>;
  override connect(acquired: Acquired): void;
  override connect(acquired?: Acquired): Promise<PoolClient> | undefined {
    if (acquired) {
      this.#connect(acquired, MOST_WAITS);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#connect((error, client) => {
        if (client) resolve(client);
        else reject(error);
      }, MOST_WAITS);
    });
  }

  #connect(acquired: Acquired, waits: number): void {
    const url = this.options.connectionString;
    super.connect((error, client, release) => {
      const isRenewed = url !== this.options.connectionString;
      if (waits === 0 || !isRefused(error) || (this.#open === 0 && !isRenewed)) {
        acquired(error, client, release);
        return;
      }
      if (!isRenewed) this.#narrow();
      this.#connect(acquired, waits - 1);
    });
  }

  /** So that no other caller tries, and is refused, in the place of this one; but one now and then. */
  #narrow(): void {
    this.options.max = this.#open;
    this.#narrowed ??= setTimeout(() => {
      this.#narrowed = undefined;
      this.options.max = Math.min(this.#open + 1, this.#max);
    }, NARROW_MS).unref();
  }

  #widen(): void {
    clearTimeout(this.#narrowed);
    this.#narrowed = undefined;
    this.options.max = this.#max;
  }
}
