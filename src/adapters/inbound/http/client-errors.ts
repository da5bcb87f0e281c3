import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyBaseLogger } from 'fastify';
import { Counter, type Registry } from 'prom-client';
import { HttpError, type HttpErrorCode } from './problems/http-error.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';
import { SHA_HEADER } from './plugins/sha-header.ts';
import { newTraceId } from '#src/application/tracing.ts';
import { PROBLEM_MEDIA_TYPE, problemOf, refusalOf } from './problems/problems.ts';

const CODE_OF_ERROR: Readonly<Record<string, HttpErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

type ClientError = Pick<ConnectionError, 'code'> & {
  readonly rawPacket?: unknown;
  readonly bytesParsed?: number;
};

/** Node keeps the answer in flight here, and looks for it in the same case. */
type Busy = Socket & { _httpMessage?: ServerResponse | null };

/** Answers what never becomes a request, because it is no HTTP, too large or too slow, with the same headers and body as any error (API-3, DEP-1). */
export function clientErrorHandler(gitSha: string, logger: FastifyBaseLogger, registry: Registry) {
  const refused = counterIn(registry);
  const constant = Object.entries({ [SHA_HEADER]: gitSha, ...SECURITY_HEADERS });

  return (error: ClientError, socket: Busy): void => {
    const answer = socket['_httpMessage'];
    if (answer?.req.complete && !answer.headersSent) {
      // What came before was a request: its own answer is due, and ends the connection.
      answer.shouldKeepAlive = false;
      return;
    }
    // In the middle of an answer a second one would corrupt it.
    if (!socket.writable || answer?.headersSent) {
      socket.destroy();
      return;
    }
    const traceId = newTraceId();
    const code = isWithinUrl(error) ? 'url_too_long' : (CODE_OF_ERROR[error.code] ?? 'request_malformed');
    const problem = problemOf(refusalOf(new HttpError(code)), traceId);
    const body = JSON.stringify(problem);
    const headers = [
      ['connection', 'close'],
      ['content-length', Buffer.byteLength(body)],
      ['content-type', PROBLEM_MEDIA_TYPE],
      ['x-trace-id', traceId],
      ...constant,
    ].map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${headers.join('')}\r\n${body}`,
    );
    socket.destroySoon();
    refused.inc({ code });
    logger.warn({ trace_id: traceId, status: problem.status, code }, 'malformed request refused');
  };
}

/** The parser counts the URL among the headers. Where those were too large it had seen no end of the first line. */
const isWithinUrl = ({ code, rawPacket, bytesParsed }: ClientError): boolean =>
  code === 'HPE_HEADER_OVERFLOW' &&
  Buffer.isBuffer(rawPacket) &&
  /^[A-Z]+ [^\n]*$/.test(rawPacket.toString('latin1', 0, bytesParsed));

const COUNTER = 'http_malformed_requests_total';

/** One of the process, for all its listeners. */
const counterIn = (registry: Registry): Counter<'code'> =>
  (registry.getSingleMetric(COUNTER) as Counter<'code'> | undefined) ??
  new Counter({
    name: COUNTER,
    help: 'Refused before they became a request: no HTTP, too large or too slow.',
    labelNames: ['code'],
    registers: [registry],
  });
