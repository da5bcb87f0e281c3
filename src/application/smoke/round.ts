import type { HttpAnswer, HttpCaller, HttpRequest } from './ports.ts';

export interface SmokeTarget {
  readonly url: string;
  /** Of the port that Prometheus scrapes. */
  readonly metricsUrl?: string | undefined;
  /** The commit of the release. */
  readonly sha?: string | undefined;
  /** May queue and read jobs. */
  readonly key?: string | undefined;
  /** An origin that browsers may call from; null when there is none. */
  readonly allowedOrigin?: string | null | undefined;
  /** As the service sends them on every answer, by lower-case name. */
  readonly securityHeaders: Readonly<Record<string, string>>;
}

/** RFC 2606: nobody has it. */
export const DENIED_ORIGIN = 'https://dragonfly-smoke.invalid';

/** No answer, with the reason. */
export type Looked = HttpAnswer | Error;

/** The answers of one look at a deployment, by what they are to show. */
export interface Round {
  readonly alive: Looked;
  readonly ready: Looked;
  /** Asked for from the origin that is denied. */
  readonly notFound: Looked;
  /** Asked for from the origin that is allowed, if there is one. */
  readonly unauthorized: Looked;
  readonly deniedPreflight: Looked;
  readonly allowedPreflight: Looked | undefined;
  readonly metrics: Looked | undefined;
}

/** The two that cost a deployment nothing and that no rate limit counts. */
export async function lookAtProbes(http: HttpCaller, { url }: SmokeTarget) {
  const alive = await look(http, { url: `${url}/health` });
  const ready = await look(http, { url: `${url}/readyz` });
  return { alive, ready };
}

/**
 * One after the other, so that each time is that of one answer; few, because what has no key may send 20 a minute. They
 * come after the probes, which have opened the connection.
 */
export async function lookAround(http: HttpCaller, target: SmokeTarget): Promise<Round> {
  const { url, metricsUrl, allowedOrigin } = target;
  const preflight = async (origin: string): Promise<Looked> =>
    await look(http, {
      method: 'OPTIONS',
      url: `${url}/v1/jobs`,
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  return {
    ...(await lookAtProbes(http, target)),
    notFound: await look(http, { url: `${url}/v1/no-path-of-any-release`, ...from(DENIED_ORIGIN) }),
    unauthorized: await look(http, { url: `${url}/v1/jobs`, ...from(allowedOrigin) }),
    deniedPreflight: await preflight(DENIED_ORIGIN),
    allowedPreflight: allowedOrigin ? await preflight(allowedOrigin) : undefined,
    metrics: metricsUrl === undefined ? undefined : await look(http, { url: `${metricsUrl}/metrics` }),
  };
}

const from = (origin: string | null | undefined) => ({ headers: { ...(origin && { origin }) } });

export async function look(http: HttpCaller, request: HttpRequest): Promise<Looked> {
  try {
    return await http.call(request);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
