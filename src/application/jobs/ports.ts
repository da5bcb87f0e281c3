import type { JsonValue } from '#src/domain/jobs/job.ts';

/** What handlers need of the world outside; a handler names the ones it uses. */
export interface JobPorts {
  readonly webhooks: WebhookSender;
}

export interface WebhookRequest {
  readonly url: string;
  readonly body: JsonValue;
  readonly headers: Readonly<Record<string, string>>;
  /** The same in every attempt, so that the receiver can drop what it has seen. */
  readonly messageId: string;
  readonly organizationId: string | null;
  readonly traceparent: string;
  readonly signal: AbortSignal;
}

export interface WebhookAnswer {
  readonly status: number;
  /** When the receiver asked for a time. */
  readonly retryAfterSeconds: number | undefined;
}

/** Sends a signed request. What a status means is decided by the job, not here. */
export interface WebhookSender {
  /**
   * @throws PermanentFailure when the address is refused
   * @throws NotAttempted when the receiver has failed so often that it is left alone for now
   * @throws Error when there was no answer: connection, time-out
   */
  send(request: WebhookRequest): Promise<WebhookAnswer>;
}
