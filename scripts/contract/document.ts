/** JSON Schema 2020-12, as far as it is looked into. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly MaybeSchema[];
  readonly oneOf?: readonly MaybeSchema[];
  readonly properties?: Readonly<Record<string, MaybeSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: MaybeSchema;
  readonly items?: MaybeSchema;
  readonly [keyword: string]: unknown;
}
/** `true` and an absent schema allow everything, `false` nothing. */
export type MaybeSchema = Schema | boolean | undefined;

export interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly schema?: MaybeSchema;
}

/** A body or an answer. */
export interface Content {
  readonly required?: boolean;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema?: MaybeSchema }>>;
}

/** Schemes with their scopes, all of them together. */
export type Security = Readonly<Record<string, readonly string[]>>;

export interface Operation {
  readonly operationId?: string;
  readonly 'x-sunset'?: string;
  readonly security?: readonly Security[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses?: Readonly<Record<string, Content>>;
}

type PathItem = Readonly<Record<string, Operation>> & { readonly parameters?: readonly Parameter[] };

/** OpenAPI 3.1 without references. */
export interface Contract {
  readonly security?: readonly Security[];
  readonly paths?: Readonly<Record<string, PathItem>>;
  readonly components?: { readonly securitySchemes?: Readonly<Record<string, object>> };
}

const EXAMPLE = /^examples?$/;

/** @returns the document with what each reference means in its place, and without examples; what refers to itself becomes a cycle */
export function parseContract(text: string): Contract {
  const document: unknown = JSON.parse(text);
  const targets = new Map<string, object>();

  function targetOf(reference: string): object {
    const known = targets.get(reference);
    if (known) return known;
    const found = reference
      .split('/')
      .slice(1)
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
      .reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], document);
    if (found === undefined || !reference.startsWith('#/')) throw new Error(`There is no ${reference}.`);
    const target = {};
    targets.set(reference, target);
    return Object.assign(target, resolved(found));
  }

  function resolved(value: unknown, under?: string): unknown {
    if (Array.isArray(value)) return value.map((item) => resolved(item));
    if (typeof value !== 'object' || value === null) return value;
    const { $ref: reference, ...beside } = value as Record<string, unknown>;
    if (typeof reference !== 'string') {
      // What looks like a reference in an example is a part of it.
      const entries = Object.entries(value).filter(([key]) => under === 'properties' || !EXAMPLE.test(key));
      return Object.fromEntries(entries.map(([key, item]) => [key, resolved(item, key)]));
    }
    const target = targetOf(reference);
    if (Object.keys(beside).length === 0) return target;
    if (Object.keys(target).length === 0) throw new Error(`${reference} refers to itself and says more.`);
    return { ...target, ...(resolved(beside) as object) };
  }

  return resolved(document) as Contract;
}
