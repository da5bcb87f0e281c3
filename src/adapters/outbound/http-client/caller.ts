import type { HttpAnswer, HttpCaller, HttpRequest } from '#src/application/smoke/ports.ts';
import { Agent, request } from 'undici';

/** Of the whole answer. */
const TIMEOUT_MS = 5000;
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** HTTP and HTTPS by certificates that this machine trusts; `NODE_EXTRA_CA_CERTS` adds to those. */
export function httpCaller(): HttpCaller & { close(): Promise<void> } {
  const dispatcher = new Agent({ connect: { timeout: TIMEOUT_MS }, maxResponseSize: MAX_BODY_BYTES });

  async function call({ method = 'GET', url, headers, body }: HttpRequest): Promise<HttpAnswer> {
    const start = performance.now();
    const answer = await request(url, {
      dispatcher,
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
      ),
      text: await answer.body.text(),
      ms: performance.now() - start,
    };
  }
  return {
    async call(request) {
      try {
        return await call(request);
      } catch (error) {
        throw new Error(whyNot(error), { cause: error });
      }
    },
    close: async () => await dispatcher.destroy(),
  };
}

/** Some of Node's errors have a code and no message. */
function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `not within ${TIMEOUT_MS / 1000} s`;
  return error.message || ('code' in error ? String(error.code) : error.name);
}
