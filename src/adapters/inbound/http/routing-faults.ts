import { type IncomingMessage, METHODS, type RequestListener, type ServerResponse } from 'node:http';
import type { HttpErrorCode } from './problems/http-error.ts';

const faults = new WeakMap<IncomingMessage, HttpErrorCode>();

/** Matches no route. */
const NOWHERE = '/:';

/**
 * The router would answer a URL that it cannot take by itself, past every hook. Such a request goes on as one for an
 * unknown route instead, so that every law holds for it too.
 */
export function reroute(
  code: HttpErrorCode,
  routing: () => RequestListener,
): (path: string, request: IncomingMessage, response: ServerResponse) => void {
  return (_path, request, response) => {
    astray(request, code);
    routing()(request, response);
  };
}

/** Nor does the router see a method that it does not know: of RTSP, which Node's parser reads too. It goes on as GET. */
export function onlyKnownMethods(routing: RequestListener): RequestListener {
  const known = new Set<string | undefined>(METHODS);
  return (request, response) => {
    if (!known.has(request.method)) {
      astray(request, 'request_malformed');
      request.method = 'GET';
    }
    routing(request, response);
  };
}

function astray(request: IncomingMessage, code: HttpErrorCode): void {
  faults.set(request, code);
  request.url = NOWHERE;
}

export const routingFaultOf = (request: IncomingMessage): HttpErrorCode | undefined => faults.get(request);
