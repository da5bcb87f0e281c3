import type { HttpAnswer, HttpCaller } from '../smoke/ports.ts';
import type { WatchSample } from './ports.ts';

export interface Watched {
  readonly url: string;
  /** Of the port of the metrics. */
  readonly opsUrl: string | undefined;
  readonly opsToken: string | undefined;
}

/** One look at a service: its readiness, its commit, and what its process has counted. Each time of a replica that chance chooses. */
export async function lookAt(http: HttpCaller, { url, opsUrl, opsToken }: Watched): Promise<WatchSample> {
  const ready = await answerOf(http, `${url}/readyz`);
  const metrics =
    opsUrl === undefined
      ? undefined
      : await answerOf(http, `${opsUrl}/metrics`, opsToken ? { authorization: `Bearer ${opsToken}` } : {});
  return {
    ready: ready?.status === 200,
    sha: ready?.headers['x-dragonfly-sha'] ?? null,
    process: metrics?.status === 200 ? countersOf(metrics.text) : null,
  };
}

async function answerOf(
  http: HttpCaller,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer | undefined> {
  try {
    // A connection that stays open stays with its replica.
    return await http.call({ url, headers: { ...headers, connection: 'close' } });
  } catch {
    return undefined; // No answer is what was seen.
  }
}

const REQUESTS =
  /^http_request_duration_seconds_count\{[^}]*\bstatus="(?<status>\d+)"[^}]*\} (?<count>\S+)$/gm;
const START = /^process_start_time_seconds (\S+)$/m;

/** From the text that Prometheus reads. */
export function countersOf(text: string): WatchSample['process'] {
  const startedAt = Number(START.exec(text)?.[1]);
  if (!startedAt) return null;
  let [requests, errors] = [0, 0];
  for (const { groups } of text.matchAll(REQUESTS)) {
    requests += Number(groups?.['count']);
    if (Number(groups?.['status']) >= 500) errors += Number(groups?.['count']);
  }
  return { startedAt, requests, errors };
}
