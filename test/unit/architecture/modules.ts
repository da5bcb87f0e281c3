import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ESTree, Visitor, parseSync } from 'rolldown/utils';

/** Paths from the root of the checkout, such as `src/main.ts`, with the text of each file. */
export type Sources = ReadonlyMap<string, string>;

export interface Module {
  readonly path: string;
  /** As written, type-only imports and re-exports included. A computed one is `undefined`. */
  readonly specifiers: readonly (string | undefined)[];
  /** Every string and the fixed parts of every template, but for specifiers. */
  readonly texts: readonly string[];
  /** Handlers of errors that do nothing: `catch {}` and `.catch(() => {})`. */
  readonly emptyHandlers: number;
}

export function readSources(): Sources {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const paths = globSync('src/**/*.ts', { cwd: root });
  return new Map(paths.toSorted().map((path) => [path, readFileSync(`${root}/${path}`, 'utf8')]));
}

/** @throws Error for a file that does not parse */
export function parseModule(path: string, text: string): Module {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const specifiers: (string | undefined)[] = [];
  const texts: string[] = [];
  let emptyHandlers = 0;
  const importFrom = ({ source }: { source: ESTree.Expression | null }): void => {
    if (source) specifiers.push(textOf(source));
  };
  new Visitor({
    ImportDeclaration: importFrom,
    ExportAllDeclaration: importFrom,
    ExportNamedDeclaration: importFrom,
    ImportExpression: importFrom,
    TSImportType: importFrom,
    Literal: ({ value }) => {
      if (typeof value === 'string') texts.push(value);
    },
    TemplateElement: ({ value }) => {
      texts.push(value.raw);
    },
    CatchClause: ({ body }) => {
      if (body.body.length === 0) emptyHandlers += 1;
    },
    CallExpression: (call) => {
      const { callee, arguments: handlers } = call;
      if (callee.type === 'Identifier' && callee.name === 'require') {
        specifiers.push(
          handlers[0] && handlers[0].type !== 'SpreadElement' ? textOf(handlers[0]) : undefined,
        );
      }
      if (
        callee.type === 'MemberExpression' &&
        callee.property.type === 'Identifier' &&
        callee.property.name === 'catch' &&
        handlers.some(isEmptyFunction)
      ) {
        emptyHandlers += 1;
      }
    },
  }).visit(program);
  const imported = new Set(specifiers);
  return { path, specifiers, texts: texts.filter((value) => !imported.has(value)), emptyHandlers };
}

const textOf = (node: ESTree.Expression): string | undefined =>
  node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;

const isEmptyFunction = (node: ESTree.Argument): boolean =>
  (node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression') &&
  node.body?.type === 'BlockStatement' &&
  node.body.body.length === 0;
