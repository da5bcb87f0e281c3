import { createHash } from 'node:crypto';
import { callbackify } from 'node:util';
import type { Idempotency } from '#src/application/idempotency/idempotency.ts';
import type { Answer, Execution } from '#src/application/idempotency/ports.ts';
import type {
  FastifyReply,
  FastifyRequest,
  RouteOptions,
  onSendHookHandler,
  preHandlerHookHandler,
  preValidationHookHandler,
} from 'fastify';
import fp from 'fastify-plugin';
import type { Registry } from 'prom-client';
import { DomainError } from '#src/domain/errors.ts';
import { HttpError } from '../problems/http-error.ts';
import { contextOf } from '../routes/context-of.ts';
import { tally } from '../tally.ts';
import { becomeProblem } from './problem-details.ts';

type Headers = ReturnType<FastifyReply['getHeaders']>;

/** A request with a key. */
interface Keyed {
  readonly key: string;
  /** As it was sent, before a schema added what it leaves out. */
  readonly body: unknown;
  execution?: Execution;
  /** Those that the reply had before the handler. */
  headersBefore?: Headers;
  isAnswered?: true;
}

declare module 'fastify' {
  interface FastifyRequest {
    keyed: Keyed | null;
  }
  interface FastifyContextConfig {
    /** Its success holds a secret that is shown once: it is not kept, and so never replayed. */
    secretAnswer?: boolean;
  }
}

interface Options {
  readonly idempotency: Idempotency;
  readonly registry: Registry;
}

export const REPLAYED_HEADER = 'idempotency-replayed';
export const KEY = /^[\x21-\x7e]{1,255}$/;
const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

const OUTCOMES = {
  name: 'http_idempotent_requests_total',
  help: 'Requests with an Idempotency-Key: executed, replayed, refused (key in use or reused, or no answer kept), failed.',
  label: 'outcome',
};

/**
 * API-5: with `Idempotency-Key` the handler of an unsafe route runs in a transaction that begins before it and is committed,
 * together with its answer, before a byte of that answer goes out. Whatever else ends the request rolls it back. Other
 * requests pay for a look at their headers.
 */
export const idempotency = fp<Options>(
  (app, { idempotency: { begin, end }, registry }, done) => {
    const counts = { executed: 0, replayed: 0, refused: 0, failed: 0 };
    tally(registry, OUTCOMES, counts);

    /** @returns whether there is something to do */
    const start = callbackify(async (keyed: Keyed, request: FastifyRequest, reply: FastifyReply) => {
      const begun = await begin(contextOf(request), {
        operation: `${request.method} ${request.url.split('?', 1)[0]}`,
        key: keyed.key,
        fingerprint: fingerprintOf(request, keyed.body),
      }).catch((error: unknown) => {
        counts[isRefusal(error) ? 'refused' : 'failed'] += 1;
        throw error;
      });
      if ('answer' in begun) {
        counts.replayed += 1;
        replay(begun.answer, reply);
        return false;
      }
      const { execution } = begun;
      keyed.execution = execution;
      keyed.headersBefore = reply.getHeaders();
      // Nobody is there any more to be answered: whoever asks again finds the key free.
      reply.raw.once('close', () => void execution.rollBack());
      if (reply.raw.destroyed) await execution.rollBack();
      return true;
    });

    /** @returns the body of the answer */
    const finish = callbackify(
      async (execution: Execution, request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
        const headers = changedHeaders(request.keyed?.headersBefore, reply);
        const body = typeof payload === 'string' ? payload : undefined;
        try {
          const mayKeep = isTextOrNothing(payload) && !holdsSecret(request, reply);
          await end(execution, { status: reply.statusCode, headers, body }, mayKeep);
          counts[reply.statusCode < 500 ? 'executed' : 'failed'] += 1;
          return payload;
        } catch (error) {
          counts.failed += 1;
          for (const name of Object.keys(headers)) reply.removeHeader(name);
          return becomeProblem(error, request, reply);
        }
      },
    );

    const onPreHandler: preHandlerHookHandler = (request, reply, next) => {
      if (!request.keyed) next();
      else {
        start(request.keyed, request, reply, (error, isToDo) => {
          if (error) next(error);
          else if (isToDo) next();
        });
      }
    };
    const onSend: onSendHookHandler = (request, reply, payload, next) => {
      const { keyed } = request;
      if (!keyed?.execution || keyed.isAnswered) next(null, payload);
      else {
        keyed.isAnswered = true;
        finish(keyed.execution, request, reply, payload, next);
      }
    };

    app.decorateRequest('keyed', null);
    app.addHook('onRoute', (route) => {
      if (!takesKey(route)) return;
      route.preValidation = [readKey, ...[route.preValidation ?? []].flat()];
      route.preHandler = [...[route.preHandler ?? []].flat(), onPreHandler];
      route.onSend = [onSend, ...[route.onSend ?? []].flat()];
    });
    done();
  },
  { name: 'idempotency', dependencies: ['problem-details'] },
);

export const takesKey = ({ method, config }: RouteOptions): boolean =>
  config?.permission !== undefined && [method].flat().some((one) => UNSAFE.has(one));

const readKey: preValidationHookHandler = (request, _reply, next) => {
  const key = request.headers['idempotency-key'];
  if (key === undefined) next();
  else if (typeof key !== 'string' || !KEY.test(key)) next(new HttpError('idempotency_key_invalid'));
  else {
    request.keyed = { key, body: request.body };
    next();
  }
};

const fingerprintOf = ({ method, url }: FastifyRequest, body: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify([method, url, body]))
    .digest('hex');

const isRefusal = (error: unknown): boolean =>
  error instanceof DomainError && error.code !== 'database_unavailable';

const isTextOrNothing = (payload: unknown): boolean =>
  typeof payload === 'string' || payload === undefined || payload === null;

const holdsSecret = ({ routeOptions }: FastifyRequest, { statusCode }: FastifyReply): boolean =>
  routeOptions.config.secretAnswer === true && statusCode < 400;

function replay({ status, headers, body }: Answer, reply: FastifyReply): void {
  reply.code(status).headers(headers).header(REPLAYED_HEADER, 'true').send(body);
}

/** What the handler said beside the body: neither what is of every answer, nor what is of this connection only. */
function changedHeaders(before: Headers | undefined, reply: FastifyReply): Answer['headers'] {
  const changed = Object.entries(reply.getHeaders())
    .filter(([name, value]) => name !== 'connection' && before?.[name] !== value)
    .map(([name, value]) => [name, Array.isArray(value) ? value : String(value)] as const);
  return Object.fromEntries(changed);
}
