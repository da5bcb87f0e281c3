import { findUnstorable } from '#src/domain/jobs/storable.ts';
import { z } from 'zod';

/** Text that the database can store. */
export const text = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => findUnstorable(value) === undefined, 'No NUL characters or lone surrogates.');
