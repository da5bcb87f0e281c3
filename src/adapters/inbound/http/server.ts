import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ReadinessProbe } from '#src/application/health/readiness.ts';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Registry } from 'prom-client';
import { allowedMethods } from './plugins/allowed-methods.ts';
import { answerTimeout } from './plugins/answer-timeout.ts';
import { clientErrorHandler } from './client-errors.ts';
import { jsonParser } from './json-parser.ts';
import { HttpError } from './problems/http-error.ts';
import { connectionClose } from './plugins/connection-close.ts';
import { problemDetails } from './plugins/problem-details.ts';
import { securityHeaders } from './plugins/security-headers.ts';
import { shaHeader } from './plugins/sha-header.ts';
import { traceIdOf } from './plugins/trace-context.ts';
import { onlyKnownMethods, reroute } from './routing-faults.ts';

const KIB = 1024;
const SECONDS = 1000;

export interface ServerOptions {
  readonly gitSha: string;
  /** Networks whose X-Forwarded-For is believed (SEC-9). */
  readonly trustedProxies: readonly string[];
}

export interface ServerDependencies {
  readonly logger: FastifyBaseLogger;
  readonly readiness: ReadinessProbe;
  readonly registry: Registry;
}

/** What every listener of the service has in common, whatever it serves. */
export async function createServer(
  { gitSha, trustedProxies }: ServerOptions,
  { logger, readiness, registry }: ServerDependencies,
): Promise<FastifyInstance> {
  const onClientError = clientErrorHandler(gitSha, logger, registry);
  const app: FastifyInstance = Fastify({
    loggerInstance: logger,
    // Our own plugin logs requests; the request's id is its trace id.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'trace_id' }),
    genReqId: traceIdOf,
    requestIdHeader: false,
    clientErrorHandler: onClientError,
    // A list of networks or nothing: a number of hops or `true` lets clients choose their address (CVE-2026-16732).
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    // Routes with larger bodies say so.
    bodyLimit: 256 * KIB,
    // Longer than the 60 s after which load balancers drop an idle connection, so that they, not we, close it.
    keepAliveTimeout: 75 * SECONDS,
    // A whole request has to arrive in this time; off by default (slow loris).
    requestTimeout: 30 * SECONDS,
    // A connection on which nothing moves for so long is dead; longer than any answer takes.
    connectionTimeout: 60 * SECONDS,
    // As many as come: Node would answer the one too many by itself, with a bare 503.
    maxRequestsPerSocket: 0,
    // What hangs in a plugin ends the start.
    pluginTimeout: 10 * SECONDS,
    // While closing, what still arrives is served, with `Connection: close`: the answers of Fastify and Node keep no law.
    return503OnClosing: false,
    routerOptions: {
      // A job type has at most 100 characters, each up to nine when it is encoded.
      maxParamLength: 900,
      onBadUrl: reroute('request_malformed', () => app.routing),
      onMaxParamLength: reroute('url_too_long', () => app.routing),
    },
    http: {
      headersTimeout: 10 * SECONDS,
      connectionsCheckingInterval: 5 * SECONDS,
      maxHeaderSize: 16 * KIB,
      // Node would refuse it past every hook; the hook below does it instead.
      requireHostHeader: false,
      // Whatever NODE_OPTIONS says.
      insecureHTTPParser: false,
    },
  });
  // A browser sends some twenty, each proxy a few more. Node refuses one too many as it does one too large.
  app.server.maxHeadersCount = 100;
  app.server.off('request', app.routing).on('request', onlyKnownMethods(app.routing));
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, jsonParser(app));
  // Node would answer 417 by itself; RFC 9110 lets us ignore an expectation that we do not know.
  app.server.on('checkExpectation', app.routing);
  // Node would hang up on who takes this for a proxy, and listens to the errors of the socket no longer.
  app.server.on('connect', (_request, socket) => {
    onClientError({ code: 'CONNECT' }, socket.on('error', () => socket.destroy()) as Socket);
  });
  await app.register(allowedMethods);
  await app.register(shaHeader, { gitSha });
  await app.register(securityHeaders);
  await app.register(problemDetails);
  await app.register(answerTimeout);
  await app.register(connectionClose, { probe: readiness });
  app.addHook('onRequest', ({ raw }, _reply, next) => {
    next(isHostClear(raw) ? undefined : new HttpError('request_malformed'));
  });
  return app;
}

/** RFC 9112, section 3.2: two hosts are one for us and the other for a proxy; only HTTP/1.0 may go without. */
function isHostClear({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}
