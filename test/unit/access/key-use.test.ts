import { describe, expect, it } from 'vitest';
import { makeKeyUse } from '#src/application/access/key-use.ts';

describe('use of keys', () => {
  it('[ARC-5] is written once a key, in one batch', async () => {
    const touched: (readonly string[])[] = [];
    const use = makeKeyUse(
      {
        find: async () => await Promise.resolve(undefined),
        touch: async (ids) => void (await Promise.resolve(touched.push(ids))),
      },
      () => {},
    );
    use.note('a');
    use.note('b');
    use.note('a');
    await use.stop();
    expect(touched).toEqual([['a', 'b']]);
  });

  it('reports what could not be written and goes on', async () => {
    const errors: unknown[] = [];
    const gone = new Error('database gone');
    const use = makeKeyUse(
      { find: async () => await Promise.resolve(undefined), touch: async () => await Promise.reject(gone) },
      (error) => errors.push(error),
    );
    use.note('a');
    await use.stop();
    expect(errors).toEqual([gone]);
  });
});
