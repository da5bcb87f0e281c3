import { createHash, timingSafeEqual } from 'node:crypto';
import { normalizeIP } from '@fastify/rate-limit';
import { DomainError } from '#src/domain/errors.ts';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { perMinute, policyOf, refuse } from '../limits.ts';
import { permitsOf } from '../permits.ts';
import type { SecurityLog } from '../security-log.ts';

const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/** Of an address, as on the API; from then on it hears 429. */
const REFUSED_PER_MINUTE = 20;

/**
 * SEC-3: /metrics is for who has the token. Compared as hashes, in a time that tells neither its length nor its characters.
 * SEC-8: failures are limited by address, in this process. A good token is let in all the same: 32 random characters are not
 * guessed, and who shares an address with the scraper must not be able to blind it.
 *
 * @param tokens those that are good at the moment; undefined where everybody may scrape, which is never in prod
 */
export function scraperToken(tokens: () => readonly string[] | undefined, security: SecurityLog) {
  const quota = perMinute('anonymous', REFUSED_PER_MINUTE);
  const permits = permitsOf(quota);
  const policy = policyOf(quota);

  return (
    { headers, ip: address, log }: FastifyRequest,
    reply: FastifyReply,
    next: HookHandlerDoneFunction,
  ): void => {
    const accepted = tokens();
    const sent = BEARER.exec(headers.authorization ?? '')?.[1];
    if (!accepted || (sent !== undefined && isAmong(accepted, sent))) {
      next();
      return;
    }
    const level = sent === undefined ? 'warn' : 'error';
    security.report(log, level, { event: 'metrics_refused', route: '/metrics', address });
    const window = permits.windowOf(normalizeIP(address));
    if (permits.spend(window)) next(new DomainError('unauthenticated', DETAIL));
    else next(refuse(reply, policy, quota, permits.standingOf(window).ttl));
  };
}

const DETAIL =
  'Metrics need the token of DRAGONFLY_METRICS_TOKEN. Send `Authorization: Bearer …`; in Prometheus, `authorization.credentials_file`.';

/** All are compared, whichever fits. */
const isAmong = (accepted: readonly string[], sent: string): boolean => {
  const hash = sha256(sent);
  return accepted.map((token) => timingSafeEqual(sha256(token), hash)).includes(true);
};

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
