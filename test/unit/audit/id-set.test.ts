import { array, assert, bigInt, property } from 'fast-check';
import { expect, it } from 'vitest';
import { createIdSet } from '#src/application/audit/id-set.ts';

it('is a set, in whatever order ids come', () => {
  const ids = array(bigInt({ min: -20n, max: 20n }), { maxLength: 60 });
  assert(
    property(ids, (added) => {
      const expected = new Set<bigint>();
      const set = createIdSet();
      for (const id of added) {
        expect(set.add(id)).toBe(!expected.has(id));
        expected.add(id);
      }
      for (let id = -21n; id <= 21n; id += 1n) expect([id, set.has(id)]).toEqual([id, expected.has(id)]);
    }),
  );
});
