import { DomainError } from '#src/domain/errors.ts';
import { describeFailure } from '#src/domain/jobs/failure.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('describeFailure', () => {
  it('tells the messages of an error and its causes, outermost first', () => {
    const reset = new Error('read ECONNRESET');
    const closed = new Error('other side closed', { cause: reset });
    expect(describeFailure(new Error('example.com gave no answer.', { cause: closed }))).toBe(
      'example.com gave no answer. Cause: other side closed Cause: read ECONNRESET',
    );
  });

  it('[AV-5] keeps what is inside of a domain error inside', () => {
    const cause = new Error('connect ECONNREFUSED 10.1.2.3:5432');
    expect(describeFailure(new DomainError('database_unavailable', 'Try again.', { cause }))).toBe(
      'Try again.',
    );
  });

  it('has an end for a chain of causes without one', () => {
    const error = new Error('round');
    error.cause = error;
    expect(describeFailure(error)).toBe(Array.from({ length: 5 }, () => 'round').join(' Cause: '));
  });

  it('names an error without a message by its code or its name', () => {
    const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
    expect(describeFailure(refused)).toBe('ECONNREFUSED');
    expect(describeFailure(new TypeError())).toBe('TypeError');
  });

  it('takes what is no error as it is, or says that it is none', () => {
    expect(describeFailure('out of paper')).toBe('out of paper');
    expect(describeFailure({ code: 7 })).toBe('The handler threw something that is no error.');
    expect(describeFailure(undefined)).toBe('The handler threw something that is no error.');
    expect(describeFailure(Object.create(null))).toBe('The handler threw something that is no error.');
  });

  it('is always short enough and storable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), (message) => {
        const text = describeFailure(new Error(`x${message}`));
        expect(text.length).toBeLessThanOrEqual(2000);
        expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      }),
    );
    expect(describeFailure(new Error(`${'x'.repeat(1999)}😀`))).toBe(`${'x'.repeat(1999)}�`);
  });
});
