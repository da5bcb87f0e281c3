import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
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
    faults.set(request, code);
    request.url = NOWHERE;
    routing()(request, response);
  };
}

export const routingFaultOf = (request: IncomingMessage): HttpErrorCode | undefined => faults.get(request);
