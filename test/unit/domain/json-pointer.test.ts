import { expect, it } from 'vitest';
import { pointerTo } from '#src/domain/json-pointer.ts';

it.each([
  ['', [], ''],
  ['', ['a'], '/a'],
  ['/jobs/0', ['payload', 3], '/jobs/0/payload/3'],
  ['', ['a/b', 'm~n', '~1', ''], '/a~1b/m~0n/~01/'],
] as const)('points from %j along %j to %j', (base, path, pointer) => {
  expect(pointerTo(base, ...path)).toBe(pointer);
});
