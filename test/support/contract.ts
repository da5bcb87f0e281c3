import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What the project's own schemas use of JSON Schema, draft 2020-12. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
}

interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
  readonly example: unknown;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>>;

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
  /** A body that is good. */
  readonly example: unknown;
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
      example: requestBody?.content['application/json']?.example,
      answers: new Map(
        Object.entries(responses).map(([status, { content }]) => {
          const [media] = Object.values(content ?? {});
          return [Number(status), media && checkerOf(media.schema)];
        }),
      ),
    }),
  ),
);

/** The path as in the examples, but for the parameters that are given. */
export const pathOf = (
  { path, parameters }: Operation,
  values: Readonly<Record<string, string>> = {},
): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? String(parameters.find((one) => one.name === name)?.example)),
  );

/** Checks a problem document, whatever operation it belongs to. */
export const problem = checkerOf({ $ref: '#/$defs/Problem' });
