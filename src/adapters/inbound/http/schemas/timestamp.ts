import { z } from 'zod';

/** RFC 3339 with seconds, at most nanoseconds, and an offset that PostgreSQL takes too. */
const RFC_3339 =
  /^(?:19[7-9]|[2-9]\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/;
const existing = z.iso.datetime({ offset: true });

/** A point in time from 1970 on, as text: to parse it would lose the microseconds of the database. */
export const timestamp = z
  .string()
  .refine((text) => RFC_3339.test(text) && existing.safeParse(text).success, {
    error: 'A time from 1970 on as in RFC 3339, such as 2026-01-31T08:00:00Z.',
    abort: true,
  })
  .meta({ format: 'date-time' });
