import type { jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { operationExamples } from './examples/operations.ts';
import { RECKONED_HEADERS, problemExamples } from './examples/problems.ts';
import { REPLAYED_HEADER } from './plugins/idempotency.ts';
import { PROBLEM_MEDIA_TYPE, PROBLEM_TYPES, type ProblemCode } from './problems/problems.ts';
import { problem } from './schemas/problem.ts';

type Document = ReturnType<typeof jsonSchemaTransformObject>;

interface Media {
  example?: unknown;
}
interface Content {
  content?: Record<string, Media>;
  headers?: object;
}
interface Parameter {
  readonly in: string;
}
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Record<string, Content | Reference>;
  'x-problems'?: readonly ProblemCode[];
}
interface Reference {
  readonly $ref: string;
}

/** Adds examples, and the problem responses, each of them once under `components` however many operations have it. */
export function completeDocument(document: Document): Document {
  const { components, paths = {} } = document as { components?: object; paths?: object };
  const responses: Record<string, object> = {};
  for (const item of Object.values(paths)) {
    for (const operation of Object.values(item as Record<string, Operation>)) {
      addExamples(operation);
      if (operation.parameters?.some((one) => one.in === 'header')) documentReplays(operation);
      const { 'x-problems': problems = [] } = operation;
      delete operation['x-problems'];
      for (const [status, codes = []] of Object.entries(Object.groupBy(problems, statusOf))) {
        // An answer of the operation itself can have the same status, as that of a probe.
        if (operation.responses[status]) continue;
        const name = codes.map(pascalCase).join('Or');
        responses[name] ??= problemResponse(codes);
        operation.responses[status] = { $ref: `#/components/responses/${name}` };
      }
    }
  }
  return { ...document, components: { ...components, schemas: outputs(document), responses } } as Document;
}

function addExamples({ operationId, requestBody, responses }: Operation): void {
  const { body, answers = {}, headers } = operationExamples[operationId] ?? {};
  exemplify(requestBody, body);
  for (const [status, answer] of Object.entries(answers)) {
    const response = responses[status] as Content | undefined;
    exemplify(response, answer);
    if (response && headers) response.headers = documentHeaders(headers);
  }
}

function documentReplays({ responses }: Operation): void {
  for (const [status, response] of Object.entries(responses)) {
    if (!status.startsWith('2') || '$ref' in response) continue;
    const description = 'Of a replay only: this is what was answered when it was done.';
    response.headers = {
      ...response.headers,
      [REPLAYED_HEADER]: { schema: { type: 'string', const: 'true' }, description },
    };
  }
}

function exemplify(content: Content | undefined, example: unknown): void {
  const media = content?.content?.['application/json'];
  if (media && example !== undefined) media.example = example;
}

function problemResponse(codes: readonly ProblemCode[]): object {
  const headers: Record<string, string> = {};
  for (const code of codes) Object.assign(headers, PROBLEM_TYPES[code].headers, RECKONED_HEADERS[code]);
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEM_TYPES[code].title}`).join('\n\n'),
    ...(Object.keys(headers).length > 0 && { headers: documentHeaders(headers) }),
    content: {
      [PROBLEM_MEDIA_TYPE]: {
        schema: { $ref: `#/components/schemas/${problem.meta()?.id}` },
        examples: Object.assign({}, ...codes.map((code) => problemExamples(code))) as object,
      },
    },
  };
}

const documentHeaders = (examples: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(examples).map(([name, example]) => [name, { schema: { type: 'string' }, example }]),
  );

const statusOf = (code: ProblemCode): number => PROBLEM_TYPES[code].status;
const pascalCase = (code: string): string =>
  code.replaceAll(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());

/** Only responses have named schemas; the provider adds each as an input too, to which nothing refers. */
function outputs(document: Document): object {
  const { components } = document as { components?: { schemas?: object } };
  const schemas = Object.entries(components?.schemas ?? {});
  return Object.fromEntries(schemas.filter(([name]) => !name.endsWith('Input')));
}
