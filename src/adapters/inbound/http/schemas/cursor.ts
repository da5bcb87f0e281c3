import type { JobPosition } from '#src/application/queue/ports.ts';
import { DomainError } from '#src/domain/errors.ts';
import { z } from 'zod';
import { timestamp } from './timestamp.ts';

const position = z.tuple([timestamp, z.uuid()]);

/** Opaque to clients: where a page ended. */
export const encodeCursor = ({ createdAt, id }: JobPosition): string =>
  Buffer.from(`${createdAt} ${id}`).toString('base64url');

/** @throws DomainError `cursor_invalid` */
export function decodeCursor(cursor: string): JobPosition {
  const parsed = position.safeParse(Buffer.from(cursor, 'base64url').toString().split(' '));
  if (!parsed.success) {
    throw new DomainError('cursor_invalid', 'Pass next_cursor as it was given, or none for the first page.');
  }
  const [createdAt, id] = parsed.data;
  return { createdAt, id };
}
