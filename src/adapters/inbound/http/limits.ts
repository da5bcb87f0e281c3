import type { FastifyReply } from 'fastify';
import type { Quota, Standing } from './permits.ts';
import { HttpError } from './problems/http-error.ts';

export interface Limits {
  readonly authenticatedPerMinute: number;
  readonly anonymousPerMinute: number;
}

export const perMinute = (name: string, max: number): Quota => ({ name, max, windowMs: 60_000 });

/** The value of `RateLimit-Policy`, of draft-ietf-httpapi-ratelimit-headers-11. */
export const policyOf = (...quotas: readonly Quota[]): string =>
  quotas.map(({ name, max, windowMs }) => `"${name}";q=${max};w=${windowMs / 1000}`).join(', ');

/** Tells a client that may go on where it stands, by the headers of the same draft. */
export function tellStanding(
  reply: FastifyReply,
  policy: string,
  { name }: Quota,
  { remaining, ttl }: Standing,
): void {
  reply.header('ratelimit-policy', policy);
  reply.header('ratelimit', `"${name}";r=${remaining};t=${secondsOf(ttl)}`);
}

/** Why a client may not go on, with headers that tell when it may. */
export function refuse(reply: FastifyReply, policy: string, quota: Quota, ttl: number): HttpError {
  tellStanding(reply, policy, quota, { remaining: 0, ttl });
  reply.header('retry-after', secondsOf(ttl));
  return new HttpError('rate_limited');
}

const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
