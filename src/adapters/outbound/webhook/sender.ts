import type { WebhookAnswer, WebhookRequest, WebhookSender } from '#src/application/jobs/ports.ts';
import { JobAborted } from '#src/application/worker/job-aborted.ts';
import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import { Agent, type Dispatcher } from 'undici';
import { circuitBreakers } from './circuit-breakers.ts';
import { type Resolve, guardedConnector } from './guarded-connector.ts';
import { NoAnswer } from './no-answer.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { webhookSignature } from './signature.ts';
import { signingSecret } from './signing-secret.ts';

export interface WebhookSenderOptions {
  /** Master secrets as they are now, the current one first; a second one while it is being rotated. */
  readonly secrets: () => readonly string[];
  /** For development: lets webhooks reach this machine. No other private address is ever allowed. */
  readonly allowLoopback: boolean;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  /** How host names become addresses; the system's resolver by default. */
  readonly resolve?: Resolve;
}

/** Of one host; what more there is to deliver waits, within the time-out of its delivery. */
const MAX_CONNECTIONS_PER_HOST = 10;
/** However long a receiver would keep a connection, its address is looked up and checked again after so long. */
const MAX_IDLE_MS = 30_000;
/** The status says it all. A body is only read so that its connection can be used again, and not at any price. */
const MAX_BODY_BYTES = 16_384;
const MAX_BODY_MS = 1000;

/** Delivers webhooks in the format of the Standard Webhooks specification (standardwebhooks.com), once a call. */
export function createWebhookSender(
  options: WebhookSenderOptions,
): WebhookSender & { close(): Promise<void> } {
  const { allowLoopback, connectTimeoutMs, responseTimeoutMs, resolve } = options;
  const breakers = circuitBreakers();
  const agent = new Agent({
    connect: guardedConnector({ allowLoopback, connectTimeoutMs, resolve }),
    connections: MAX_CONNECTIONS_PER_HOST,
    keepAliveMaxTimeout: MAX_IDLE_MS,
  });

  async function deliver(request: WebhookRequest, url: URL): Promise<WebhookAnswer> {
    const { signal } = request;
    // Covers also what undici's own time-outs do not: waiting for a connection, and a body that drips.
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs + responseTimeoutMs)]);
    try {
      const { statusCode, headers, body } = await agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: 'POST',
        ...messageOf(request, options.secrets()),
        headersTimeout: responseTimeoutMs,
        signal: inTime,
      });
      await discard(body);
      const retryAfter = headers['retry-after'];
      return {
        status: statusCode,
        retryAfterSeconds: retryAfterSeconds(
          Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
          Date.now(),
        ),
      };
    } catch (error) {
      if (error instanceof PermanentFailure) throw error;
      // Aborted for a reason of ours; at the job's own deadline it was the receiver who said nothing.
      if (signal.reason instanceof JobAborted) throw signal.reason;
      throw new NoAnswer(url.host, error);
    }
  }

  return {
    async send(request) {
      const url = new URL(request.url);
      const circuit = { organizationId: request.organizationId, host: url.host };
      return await breakers.execute(circuit, async () => await deliver(request, url));
    },
    async close() {
      await agent.close();
    },
  };
}

function messageOf(
  { messageId, organizationId, traceparent, body: value, headers }: WebhookRequest,
  masters: readonly string[],
): { body: string; headers: Record<string, string> } {
  const body = JSON.stringify(value);
  const timestampSeconds = Math.floor(Date.now() / 1000);
  const secrets = masters.map((master) => signingSecret(master, organizationId));
  return {
    body,
    headers: {
      ...headers,
      'content-type': 'application/json',
      'user-agent': 'dragonfly',
      'webhook-id': messageId,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': webhookSignature(secrets, { id: messageId, timestampSeconds, body }),
      traceparent,
    },
  };
}

/** Never rejects: an error of the body no longer matters. */
async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  const timer = setTimeout(() => body.destroy(), MAX_BODY_MS);
  await body.dump({ limit: MAX_BODY_BYTES });
  clearTimeout(timer);
}
