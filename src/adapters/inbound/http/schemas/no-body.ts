/** The smallest limit there is for a route whose body means nothing. */
export const NO_BODY_BYTES = 1024;
