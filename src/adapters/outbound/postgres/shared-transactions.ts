import { DomainError } from '#src/domain/errors.ts';
import { DatabaseError, type Pool } from 'pg';
import { query } from './pool.ts';

/** What stands in for one statement when it shares a transaction with those of other callers. */
export interface Shared<T> {
  readonly name: string;
  /** Takes a JSON array of elements and gives a JSON array of values in their order. */
  readonly text: string;
  /** JSON; it says by itself who the caller is. */
  readonly element: string;
  read(value: unknown): T;
}

interface Call {
  readonly shared: Shared<unknown>;
  readonly alone: () => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
}

/** Transactions at a time. */
const AT_A_TIME = 2;
const MOST_ELEMENTS = 100;
/** In characters. What is longer is no cheaper in company. */
const LONGEST_ELEMENT = 16_384;

/**
 * Lets statements of one kind that come while others are under way share the next transaction: under load one message, one
 * commit and one answer serve many requests, and a request that comes alone waits for nobody.
 *
 * What a shared transaction fails by may be the fault of one: then each goes alone. An unreachable database is the fault
 * of none, and whoever waits behind has waited long enough.
 */
export function sharedTransactions(pool: Pool) {
  const waiting: Call[] = [];
  let running = 0;

  async function run(): Promise<void> {
    running += 1;
    while (waiting.length > 0) await settle(waiting.splice(0, MOST_ELEMENTS));
    running -= 1;
  }

  async function settle(calls: readonly Call[]): Promise<void> {
    try {
      const values = await (calls.length === 1
        ? Promise.all(calls.map(({ alone }) => alone()))
        : send(calls));
      for (const [index, { resolve }] of calls.entries()) resolve(values[index] as never);
    } catch (error) {
      if (error instanceof DatabaseError && calls.length > 1) {
        await Promise.all(
          calls.map(async ({ alone, resolve, reject }) => await alone().then(resolve as never, reject)),
        );
        return;
      }
      const behind = error instanceof DomainError ? waiting.splice(0) : [];
      for (const { reject } of [...calls, ...behind]) reject(error);
    }
  }

  async function send(calls: readonly Call[]): Promise<unknown[]> {
    const [{ shared }] = calls as [Call];
    const elements = `[${calls.map((call) => call.shared.element).join(',')}]`;
    const [row] = await query(pool, { name: shared.name, text: shared.text, values: [elements] });
    const values = row?.['value'] as unknown[];
    return calls.map((call, index) => call.shared.read(values[index]));
  }

  /** @param alone does the same in a transaction of its own */
  return async <T>(shared: Shared<T>, alone: () => Promise<T>): Promise<T> => {
    if (shared.element.length > LONGEST_ELEMENT) return await alone();
    return await new Promise<T>((resolve, reject) => {
      waiting.push({ shared, alone, resolve, reject });
      if (running < AT_A_TIME) void run();
    });
  };
}
