/**
 * JSON pointer (RFC 6901) to what lies below another one: `pointerTo('/jobs/0', 'a/b')` is `/jobs/0/a~1b`.
 *
 * @param base a pointer, "" for the whole document
 */
export const pointerTo = (base: string, ...path: readonly PropertyKey[]): string =>
  [base, ...path.map(escapeToken)].join('/');

const escapeToken = (token: PropertyKey): string => String(token).replaceAll('~', '~0').replaceAll('/', '~1');
