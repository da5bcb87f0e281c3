import type { HttpCaller } from '../../smoke/ports.ts';
import { type Looked, type Round, look, lookAround } from '../../smoke/round.ts';

export interface HttpTarget {
  readonly url: string;
  /** Of the port of metrics. */
  readonly opsUrl: string | undefined;
  readonly isDev: boolean;
  /** As the service sends them on every answer, by lower-case name. */
  readonly securityHeaders: Readonly<Record<string, string>>;
}

/** What an attacker without a key sees: few requests, because 20 a minute are allowed. */
export interface Outside {
  readonly round: Round;
  /** Each said to come from another client, and for another host. */
  readonly forged: readonly [Looked, Looked];
  /** Of a request whose Host is forged; an ingress may refuse it. */
  readonly otherHost: Looked;
  /** Of the port that the world reaches. */
  readonly metricsOfApi: Looked;
}

/** RFC 2606: nobody has it. */
export const FORGED_HOST = 'forged.dragonfly-audit.invalid';

export async function lookFromOutside(http: HttpCaller, target: HttpTarget): Promise<Outside> {
  const { url, opsUrl, securityHeaders } = target;
  const forge = async (client: string): Promise<Looked> =>
    await look(http, {
      url: `${url}/v1/no-path-of-any-release`,
      headers: {
        'x-forwarded-for': client,
        'x-real-ip': client,
        'x-forwarded-host': FORGED_HOST,
        forwarded: `for=${client};host=${FORGED_HOST}`,
      },
    });
  return {
    round: await lookAround(http, { url, metricsUrl: opsUrl, securityHeaders }),
    // RFC 5737: addresses of documents.
    forged: [await forge('192.0.2.7'), await forge('198.51.100.7')],
    otherHost: await look(http, { url: `${url}/v1/jobs`, headers: { host: FORGED_HOST } }),
    metricsOfApi: await look(http, { url: `${url}/metrics` }),
  };
}
