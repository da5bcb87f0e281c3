import type { Place } from '#src/composition/release/targets.ts';
import { UsageError } from './command.ts';

const text = { type: 'string' } as const;

/** Where a service is to be looked at from outside: its API, and port 9090. */
export const PLACE_OPTIONS = { url: text, 'ops-url': text } as const;

/** @throws UsageError */
export function placeOf({
  url,
  'ops-url': opsUrl,
}: {
  readonly url?: string | undefined;
  readonly 'ops-url'?: string | undefined;
}): Place | undefined {
  if (url === undefined && opsUrl === undefined) return undefined;
  return { url: baseOf('--url', url), opsUrl: opsUrl && baseOf('--ops-url', opsUrl) };
}

/** Where a deployment is, without a slash at the end. @throws UsageError */
export function baseOf(option: string, given: string | undefined): string {
  const url = URL.parse(given ?? '');
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new UsageError(`${option}: where the service is, such as https://api.example.com.`);
  return url.href.replace(/\/$/, '');
}

export function originOf(origin: string | undefined): string | null | undefined {
  if (origin === 'none') return null;
  if (origin !== undefined && URL.parse(origin)?.origin !== origin)
    throw new UsageError('--allowed-origin: an origin such as https://app.example.com, or none.');
  return origin;
}
