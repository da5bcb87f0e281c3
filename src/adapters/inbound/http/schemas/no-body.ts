import { z } from 'zod';

/** The smallest limit there is for a route whose body means nothing. */
export const NO_BODY_BYTES = 1024;

/** For a route that knows no parameter of a query. */
export const noQuery = z.strictObject({});

/** For a route that knows no body: nothing, `null` or `{}`, which many clients send with every POST. */
export const noBody = z.strictObject({}).nullable();
