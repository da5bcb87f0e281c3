export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'OPTIONS';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name; several of one name are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** From the first byte sent to the last one received. */
  readonly ms: number;
}

/** Calls a deployment. Follows no redirect. */
export interface HttpCaller {
  /** @throws Error when there is no whole answer in time, with the reason as its message */
  call(request: HttpRequest): Promise<HttpAnswer>;
}

export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}
