import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeKeyUse } from '#src/application/access/key-use.ts';

const FLUSH_MS = 10_000;
const MAX_PENDING = 10_000;
const GONE = new Error('database gone');

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Over a database that can be taken away. */
function setUp() {
  const touched: (readonly string[])[] = [];
  const errors: unknown[] = [];
  const database = { isGone: false };
  let dropped = 0;
  const use = makeKeyUse(
    {
      find: async () => await Promise.resolve(undefined),
      touch: async (uses) => {
        if (database.isGone) throw GONE;
        await Promise.resolve(touched.push(uses.map(({ keyId }) => keyId)));
      },
    },
    { onError: (error) => errors.push(error), onDrop: (count) => (dropped += count) },
  );
  const note = (keyId: string): void => {
    use.note({ keyId, organizationId: 'acme' });
  };
  return { ...use, note, touched, errors, database, dropped: () => dropped };
}

describe('[ARC-5] the use of keys', () => {
  it('is written once a key, in one batch', async () => {
    const { note, stop, touched, dropped } = setUp();
    for (const id of ['a', 'b', 'a']) note(id);
    await vi.advanceTimersByTimeAsync(FLUSH_MS);
    expect(touched).toEqual([['a', 'b']]);
    await stop();
    expect(touched).toHaveLength(1);
    expect(dropped()).toBe(0);
  });

  it('that could not be written is reported, and written by the next flush', async () => {
    const { note, stop, touched, errors, database, dropped } = setUp();
    database.isGone = true;
    note('a');
    await vi.advanceTimersByTimeAsync(FLUSH_MS);
    expect([errors, touched]).toEqual([[GONE], []]);
    database.isGone = false;
    note('b');
    await vi.advanceTimersByTimeAsync(FLUSH_MS);
    expect(touched.map((ids) => ids.toSorted())).toEqual([['a', 'b']]);
    await stop();
    expect(dropped()).toBe(0);
  });

  it('is bounded: what is beyond is dropped and counted', async () => {
    const { note, stop, touched, dropped } = setUp();
    for (let id = 0; id <= MAX_PENDING; id += 1) note(String(id));
    note('0');
    expect(dropped()).toBe(1);
    await stop();
    expect(touched[0]).toHaveLength(MAX_PENDING);
  });

  it('that cannot be written before the end is dropped and counted', async () => {
    const { note, stop, errors, database, dropped } = setUp();
    database.isGone = true;
    note('a');
    note('b');
    await stop();
    expect(errors).toEqual([GONE]);
    expect(dropped()).toBe(2);
  });
});
