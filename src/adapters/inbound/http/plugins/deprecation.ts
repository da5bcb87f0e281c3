import type { FastifySchema, RouteOptions, onSendHookHandler } from 'fastify';
import fp from 'fastify-plugin';

/** Days are `yyyy-mm-dd` and begin at midnight UTC. */
export interface Deprecation {
  /** From this day on nobody should begin to use the operation; it may lie ahead. */
  readonly since: string;
  /** From this day on the operation may be gone. */
  readonly sunset: string;
  /** The URL of what to use instead. */
  readonly successor?: string;
  /** The URL of a page that says how to move on. */
  readonly guide?: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    deprecation?: Deprecation;
  }
  interface FastifySchema {
    /** For the check of breaking changes, which lets a deprecated operation go from this day on. */
    'x-sunset'?: string;
  }
}

/**
 * API-2: every answer of a route whose `config` has a `deprecation`, errors too, says so with `Deprecation` (RFC 9745) and
 * `Sunset` (RFC 8594), and with the `Link`s that there are. Other routes get no hook.
 *
 * @throws Error at the start, when a day is none or the sunset comes before the deprecation
 */
export const deprecation = fp(
  (app, _options, done) => {
    app.addHook('onRoute', (route) => {
      if (route.config?.deprecation) addHeaders(route, headersOf(route, route.config.deprecation));
    });
    done();
  },
  { name: 'deprecation' },
);

function addHeaders(route: RouteOptions, headers: Record<string, string>): void {
  const hook: onSendHookHandler = (_request, reply, payload, next) => {
    reply.headers(headers);
    next(null, payload);
  };
  route.onSend = [hook, ...[route.onSend ?? []].flat()];
}

function headersOf(
  { method, url }: RouteOptions,
  { since, sunset, successor, guide }: Deprecation,
): Record<string, string> {
  const [from, until] = [since, sunset].map(startOf);
  if (from === undefined || until === undefined || until < from) {
    throw new Error(
      `${String(method)} ${url} is deprecated since ${since}, its sunset is ${sunset}: both are days as yyyy-mm-dd, the sunset not before the deprecation.`,
    );
  }
  const links = [
    successor === undefined ? [] : `<${successor}>; rel="successor-version"`,
    guide === undefined ? [] : `<${guide}>; rel="deprecation"`,
  ].flat();
  return {
    deprecation: `@${from / 1000}`,
    sunset: new Date(until).toUTCString(),
    ...(links.length > 0 && { link: links.join(', ') }),
  };
}

/** Milliseconds since the epoch; undefined for 30 February too, which Date moves to March. */
function startOf(day: string): number | undefined {
  const start = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(start) && new Date(start).toISOString().startsWith(`${day}T`) ? start : undefined;
}

/** The same for readers of the contract. */
export function describeDeprecation(
  { description }: FastifySchema,
  deprecation: Deprecation | undefined,
): FastifySchema {
  if (!deprecation) return {};
  const { since, sunset, successor, guide } = deprecation;
  const sentences = [
    description ?? [],
    `Deprecated since ${since}, may be gone from ${sunset} on.`,
    successor === undefined ? [] : `Use ${successor} instead.`,
    guide === undefined ? [] : `See ${guide}.`,
  ].flat();
  return { deprecated: true, description: sentences.join(' '), 'x-sunset': sunset };
}
