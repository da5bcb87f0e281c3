import type { JsonValue } from '#src/domain/jobs/job.ts';
import { findUnstorable, toStorable, toStorableJson } from '#src/domain/jobs/storable.ts';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\0', '\ud800', 'a\udc00b', '😀', ''),
);
const anyJson = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    anyText,
    fc.integer(),
    fc.constantFrom(null, true),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(anyText, tie('value'), { maxKeys: 4 }),
  ),
})).value;

it('replaces NUL and lone surrogates, and nothing else', () => {
  expect(toStorable('a\0b\ud800c\udfffd😀')).toBe('a�b�c�d😀');
  fc.assert(
    fc.property(anyText, (text) => {
      fc.pre(text.isWellFormed() && !text.includes('\0'));
      expect(toStorable(text)).toBe(text);
    }),
  );
});

it('leaves nothing unstorable in any JSON value, keys included', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      expect(findUnstorable(toStorableJson(value))).toBeUndefined();
    }),
  );
});

it('changes nothing that was storable', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      fc.pre(findUnstorable(value) === undefined);
      expect(toStorableJson(value)).toEqual(value);
    }),
  );
});

it('points to what is unstorable, by RFC 6901', () => {
  expect(findUnstorable({ a: [{ 'b/c~d': 'x\0' }] })).toBe('/a/0/b~1c~0d');
  expect(findUnstorable({ a: { '\ud800': 1 } })).toBe('/a');
  expect(findUnstorable('\0')).toBe('');
  expect(findUnstorable({ a: ['fine', 1, null] })).toBeUndefined();
});
