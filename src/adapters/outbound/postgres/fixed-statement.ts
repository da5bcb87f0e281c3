import type { Timestamp } from '#src/domain/jobs/job.ts';
import { type SqlStatement, inContext } from './statement.ts';

/** A fixed text: composed once, prepared once a connection. */
export function fixed<T>(name: string, query: string, parameters: number, read: (value: unknown) => T) {
  const text = inContext(query, parameters);
  return (values: readonly unknown[]): SqlStatement<T> => ({ name, text, values, read });
}

/** JSON has a time of UTC with an offset of zeros. */
export const toTime = (text: unknown): Timestamp => {
  const time = text as string;
  return time.endsWith('+00:00') ? `${time.slice(0, -6)}Z` : time;
};
