/** A server that can be used now, and how to let go of it. */
export interface Server {
  readonly kind: 'url' | 'embedded' | 'program' | 'container';
  /** For people: name, version and where it comes from. */
  readonly description: string;
  /** With the credentials of an administrator. */
  readonly url: string;
  /** Resolves when it accepts connections. RabbitMQ takes seconds, so whoever needs it waits, not everybody. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended, by itself or by `stop`; never for a server that somebody else runs. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface Absent {
  readonly kind: 'absent';
  /** A sentence: why, and how to change it. */
  readonly reason: string;
}

/** How a local server program is to be run. */
export interface Placement {
  /** A folder of this server alone. */
  readonly directory: string;
  /** Nothing is flushed to disk, and `stop` removes the folder. For tests only. */
  readonly forTests?: boolean;
  /** The port to prefer; the next free one is taken when it is busy. Any free one when missing. */
  readonly port?: number;
}

export interface Container {
  /** Pinned by digest. */
  readonly image: string;
  readonly port: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** A line of its log that says that it accepts connections, and how often it is printed until then. */
  readonly readyLog: { readonly pattern: RegExp; readonly times: number };
  url(host: string, port: number): string;
}

/** One kind of server and its sources. */
export interface Service {
  readonly name: string;
  /** How to get one when there is none: a sentence without its end. */
  readonly hint: string;
  readonly container: Container;
  /** `undefined` when this machine has no such program. */
  startLocal(placement: Placement): Promise<Server | undefined>;
}

/** For the members of `Server` that do not apply to servers of others. */
export const never = new Promise<void>(() => {});
