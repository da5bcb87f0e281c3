import type { FastifyReply } from 'fastify';
import { HttpError } from './problems/http-error.ts';

export interface Limits {
  readonly authenticatedPerMinute: number;
  readonly anonymousPerMinute: number;
}

export interface Limit {
  readonly name: 'authenticated' | 'anonymous';
  readonly max: number;
  readonly policy: string;
}

const WINDOW_SECONDS = 60;
export const WINDOW_MS = WINDOW_SECONDS * 1000;

export const limitOf = (name: Limit['name'], max: number): Limit => ({
  name,
  max,
  policy: `"${name}";q=${max};w=${WINDOW_SECONDS}`,
});

/** Where a client stands, itself counted; the names are those of @fastify/rate-limit. */
interface Standing {
  readonly remaining: number;
  readonly isExceeded: boolean;
  /** Until the window ends, in milliseconds. */
  readonly ttl: number;
}

/**
 * Tells the client where it stands, with the headers of draft-ietf-httpapi-ratelimit-headers-11.
 *
 * @throws HttpError `rate_limited` when the limit is exceeded
 */
export function holdTo({ name, policy }: Limit, standing: Standing, reply: FastifyReply): void {
  const seconds = Math.max(1, Math.ceil(standing.ttl / 1000));
  reply.header('ratelimit-policy', policy);
  reply.header('ratelimit', `"${name}";r=${standing.remaining};t=${seconds}`);
  if (!standing.isExceeded) return;
  reply.header('retry-after', seconds);
  throw new HttpError('rate_limited');
}
