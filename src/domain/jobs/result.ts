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
export function storableResult(returned: unknown): JsonValue {
  if (returned === null || typeof returned === 'boolean') return returned;
  const { value, characters, escaped } = jsonOf(returned);
  if (characters > MAX_RESULT_CHARACTERS) {
    throw new PermanentFailure(`The handler returned more than ${MAX_RESULT_CHARACTERS} characters of JSON.`);
  }
  // NUL and lone surrogates are escaped in JSON, so without an escape there is nothing to replace.
  return escaped ? toStorableJson(value) : value;
}

/**
 * What a handler returned as it is once it went through JSON.
 *
 * @throws PermanentFailure when it is not JSON
 */
export function jsonOf(returned: unknown): { value: JsonValue; characters: number; escaped: boolean } {
  const text = toJson(returned);
  if (text === undefined)
    throw new PermanentFailure('The handler returned no JSON; null is the empty result.');
  return {
    value: JSON.parse(text) as JsonValue,
    characters: text.length,
    escaped: text.includes(String.raw`\u`),
  };
}

/** `JSON.stringify` says nothing of undefined, functions and symbols, and throws on cycles and BigInt. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new PermanentFailure('The handler returned a value that is not JSON.', { cause: error });
  }
}
