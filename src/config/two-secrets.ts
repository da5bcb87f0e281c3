import { z } from 'zod';
import { list } from './variable.ts';

const secret = z
  .string()
  .min(32, 'At least 32 characters, such as `openssl rand -base64 48` prints.')
  .max(1024, 'At most 1024 characters.');
const AT_MOST_TWO = 'One secret, or two with a comma between: the current one, then the one before.';

/** During a rotation there are two, of which either is good. */
export const oneOrTwoSecrets = list(secret)
  .pipe(z.tuple([z.string()], z.string(), AT_MOST_TWO))
  .refine(({ length }) => length <= 2, AT_MOST_TWO);
