/** A receiver may ask for patience, not for a job that never ends. */
const MAX_SECONDS = 86_400;

/**
 * Seconds to wait by a `Retry-After` header: a number of seconds or an HTTP date (RFC 9110, section 10.2.3), at most a
 * day. Undefined when there is none or it says nothing.
 *
 * @param nowMs the time that a date is compared with
 */
export function retryAfterSeconds(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - nowMs) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_SECONDS);
}
