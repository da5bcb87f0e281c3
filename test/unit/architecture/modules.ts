import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ESTree, Visitor, parseSync } from 'rolldown/utils';
import { swallowedErrors } from './swallowed-errors.ts';

/** Paths from the root of the checkout, such as `src/main.ts`, with the text of each file. */
export type Sources = ReadonlyMap<string, string>;

export interface Module {
  readonly path: string;
  /** As written, type-only imports and re-exports included. A computed one is `undefined`. */
  readonly specifiers: readonly (string | undefined)[];
  /** Every string and the fixed parts of every template, but for specifiers. */
  readonly texts: readonly string[];
  readonly swallowedErrors: number;
}

export function readSources(pattern = 'src/**/*.ts'): Sources {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const paths = globSync(pattern, { cwd: root });
  return new Map(paths.toSorted().map((path) => [path, readFileSync(`${root}/${path}`, 'utf8')]));
}

/** @throws Error for a file that does not parse */
export function parseModule(path: string, text: string): Module {
  const { program, comments, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const specifiers: (string | undefined)[] = [];
  const texts: string[] = [];
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
    CallExpression: ({ callee, arguments: [name] }) => {
      if (callee.type === 'Identifier' && callee.name === 'require') {
        specifiers.push(name && name.type !== 'SpreadElement' ? textOf(name) : undefined);
      }
    },
  }).visit(program);
  const imported = new Set(specifiers);
  return {
    path,
    specifiers,
    texts: texts.filter((value) => !imported.has(value)),
    swallowedErrors: swallowedErrors(program, comments),
  };
}

const textOf = (node: ESTree.Expression): string | undefined =>
  node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;
