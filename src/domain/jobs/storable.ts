import { pointerTo } from '../json-pointer.ts';
import type { JsonValue } from './job.ts';

const REPLACEMENT = '\uFFFD';

/** PostgreSQL stores neither NUL nor lone surrogates: both become U+FFFD. */
export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\0', REPLACEMENT);
}

/** The same value with every string in it, keys too, made storable. */
export function toStorableJson(value: JsonValue): JsonValue {
  return mapStrings(value, toStorable);
}

/** JSON pointer to the first string (or key's object) that PostgreSQL cannot store, undefined if there is none. */
export function findUnstorable(value: JsonValue): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : '';
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    if (!isStorable(key)) return '';
    const found = findUnstorable(item);
    if (found !== undefined) return pointerTo('', key) + found;
  }
  return undefined;
}

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

function mapStrings(value: JsonValue, map: (text: string) => string): JsonValue {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapStrings(item, map)]));
}
