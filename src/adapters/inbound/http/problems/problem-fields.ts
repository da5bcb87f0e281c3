import type { FieldError } from '#src/domain/errors.ts';
import { pointerTo } from '#src/domain/json-pointer.ts';
import type { FastifyError } from 'fastify';

/** One fault: `pointer` into the body (RFC 6901 as a URI fragment, as in RFC 9457), or `parameter` of query or path. */
export type ProblemField =
  | { readonly pointer: string; readonly detail: string }
  | { readonly parameter: string; readonly detail: string };

/** A hostile body can have a fault at each of its members. */
const MAX_FIELDS = 100;

export const domainFields = (fields: readonly FieldError[]): ProblemField[] =>
  fields.slice(0, MAX_FIELDS).map(({ pointer, detail }) => ({ pointer: toFragment(pointer), detail }));

/** The faults that the schema of an operation found in one part of the request. */
export function schemaFields({ validation = [], validationContext }: FastifyError): ProblemField[] {
  const faults = validation.flatMap(({ instancePath, message = 'Invalid.', params }) => {
    const path = instancePath === '/' ? '' : instancePath;
    const unknown = params['keys'];
    return Array.isArray(unknown)
      ? unknown.map((key) => ({ path: pointerTo(path, String(key)), detail: 'Unknown field.' }))
      : [{ path, detail: message }];
  });
  return faults
    .slice(0, MAX_FIELDS)
    .map(({ path, detail }) =>
      validationContext === 'body'
        ? { pointer: toFragment(path), detail }
        : { parameter: path.slice(1), detail },
    );
}

/** RFC 6901, section 6. */
const toFragment = (pointer: string): string =>
  `#${encodeURI(pointer.toWellFormed()).replaceAll('#', '%23')}`;
