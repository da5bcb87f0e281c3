import { DomainError } from '#src/domain/errors.ts';
import type { z } from 'zod';

/** Opaque to clients: the id after which a page starts. */
export const encodeCursor = (id: string | number): string => Buffer.from(String(id)).toString('base64url');

/** @throws DomainError `cursor_invalid` */
export function decodeCursor<T>(cursor: string, position: z.ZodType<T>): T {
  const parsed = position.safeParse(Buffer.from(cursor, 'base64url').toString());
  if (!parsed.success) {
    throw new DomainError('cursor_invalid', 'Pass next_cursor as it was given, or none for the first page.');
  }
  return parsed.data;
}
