import { PermanentFailure } from './failure.ts';
import type { JsonValue } from './job.ts';
import { toStorableJson } from './storable.ts';

/** A result is a short answer to be read with the job; large data belongs where it can be streamed from. */
export const MAX_RESULT_CHARACTERS = 65_536;

/**
 * What of a handler's return value can be stored with the job.
 *
 * @throws PermanentFailure when it is not JSON or too large: another attempt would only repeat the work
 */
export function storableResult(value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean') return value;
  const text = toJson(value);
  if (text === undefined)
    throw new PermanentFailure('The handler returned no JSON; null is the empty result.');
  if (text.length > MAX_RESULT_CHARACTERS) {
    throw new PermanentFailure(`The handler returned more than ${MAX_RESULT_CHARACTERS} characters of JSON.`);
  }
  const result = JSON.parse(text) as JsonValue;
  // JSON.stringify escapes NUL and lone surrogates, so without an escape there is nothing to replace.
  return text.includes(String.raw`\u`) ? toStorableJson(result) : result;
}

/** `JSON.stringify` says nothing of undefined, functions and symbols, and throws on cycles and BigInt. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new PermanentFailure('The handler returned a value that is not JSON.', { cause: error });
  }
}
