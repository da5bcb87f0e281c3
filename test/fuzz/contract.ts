import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { JsonSchema } from './from-schema.ts';

interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

interface DocumentedOperation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

export interface Operation {
  readonly id: string;
  readonly method: string;
  /** With `{name}` for each parameter. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: JsonSchema | undefined;
  /** Checks the body of an answer by its status; undefined for a status without a body. */
  readonly answers: ReadonlyMap<number, z.ZodType | undefined>;
}

const document = JSON.parse(
  readFileSync(new URL('../../openapi/openapi.json', import.meta.url), 'utf8').replaceAll(
    '#/components/schemas/',
    '#/$defs/',
  ),
) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
};

const checkerOf = (schema: JsonSchema): z.ZodType =>
  z.fromJSONSchema({ ...schema, $defs: document.components.schemas } as Parameters<
    typeof z.fromJSONSchema
  >[0]);

/** Every operation of the committed contract (API-1). */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(
    ([method, { operationId, parameters = [], requestBody, responses }]): Operation => ({
      id: operationId,
      method: method.toUpperCase(),
      path,
      parameters,
      body: requestBody?.content['application/json']?.schema,
      answers: new Map(
        Object.entries(responses).map(([status, { content }]) => {
          const [media] = Object.values(content ?? {});
          return [Number(status), media && checkerOf(media.schema)];
        }),
      ),
    }),
  ),
);

/** Checks a problem document, whatever operation it belongs to. */
export const problem = checkerOf({ $ref: '#/$defs/Problem' });
