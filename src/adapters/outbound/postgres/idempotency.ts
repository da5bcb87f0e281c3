import type {
  Answer,
  Claim,
  Execution,
  IdempotencyStore,
  KeyedRequest,
} from '#src/application/idempotency/ports.ts';
import type { Pool } from 'pg';
import { type PgTransaction, openTransaction } from './open-transaction.ts';
import { type SqlStatement, inContext } from './statement.ts';
import type { Wake } from './wake.ts';

/** The key, the effect and the answer of a request in one transaction, which takes a connection until it ends. */
export function postgresIdempotency(pool: Pool, wake: Wake): IdempotencyStore {
  return {
    async claim(context, request) {
      const transaction = await openTransaction(pool, wake);
      try {
        const found = await transaction.run(context, begin(request));
        if (found.state === 'claimed') {
          return {
            state: 'claimed',
            execution: executionIn(transaction, (answer) => transaction.run(context, end(request, answer))),
          };
        }
        await transaction.rollBack();
        return found;
      } catch (error) {
        await transaction.rollBack();
        throw error;
      }
    },
  };
}

const executionIn = (
  transaction: PgTransaction,
  store: (answer: Answer | undefined) => Promise<void>,
): Execution => ({
  transaction,
  async commit(answer) {
    await store(answer);
    await transaction.commit();
  },
  rollBack: transaction.rollBack,
});

type Found = Exclude<Claim, { state: 'claimed' }> | { readonly state: 'claimed' };

const BEGIN = inContext(
  `select to_json(one) from (select * from ops.begin_idempotent($1, $2, decode($3, 'hex'))) one`,
  3,
);
const END = inContext(`select null from ops.end_idempotent($1, $2, decode($3, 'hex'), $4, $5, $6)`, 6);

const begin = ({ operation, key, fingerprint }: KeyedRequest): SqlStatement<Found> => ({
  name: 'begin_idempotent',
  text: BEGIN,
  values: [operation, key, fingerprint],
  read: (row) => foundIn(row as Row),
});

const end = (
  { operation, key, fingerprint }: KeyedRequest,
  answer: Answer | undefined,
): SqlStatement<void> => ({
  name: 'end_idempotent',
  text: END,
  values: [
    operation,
    key,
    fingerprint,
    answer?.status,
    answer && JSON.stringify(answer.headers),
    answer?.body,
  ],
  read: () => {},
});

interface Row {
  readonly state: Claim['state'];
  readonly status: number | null;
  readonly headers: Answer['headers'];
  readonly body: string | null;
}

function foundIn({ state, status, headers, body }: Row): Found {
  if (state !== 'done') return { state };
  return { state, answer: status === null ? undefined : { status, headers, body: body ?? undefined } };
}
