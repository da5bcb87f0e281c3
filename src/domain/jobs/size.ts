import type { JsonValue } from './job.ts';

/** What a value takes beside its text. */
const BYTES_A_VALUE = 16;

/** Roughly the bytes that a value takes in memory: enough to keep many of them within a bound. */
export function roughBytes(value: JsonValue): number {
  if (typeof value === 'string') return BYTES_A_VALUE + value.length;
  if (typeof value !== 'object' || value === null) return BYTES_A_VALUE;
  let bytes = BYTES_A_VALUE;
  if (Array.isArray(value)) for (const item of value) bytes += roughBytes(item);
  else for (const key in value) bytes += key.length + roughBytes(value[key] ?? null);
  return bytes;
}
