import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import type { Module } from './modules.ts';

export interface Imports {
  /** Files of src. */
  readonly files: ReadonlySet<string>;
  /** `pg`, `@fastify/cors`; a part of Node is `node:fs`, our own manifest `package.json`. */
  readonly packages: ReadonlySet<string>;
}

/** What each file imports itself, by path. */
export type ImportGraph = ReadonlyMap<string, Imports>;

/** @throws Error for an import that cannot be followed */
export function importGraph(modules: readonly Module[]): ImportGraph {
  const known = new Set(modules.map(({ path }) => path));
  return new Map(
    modules.map(({ path, specifiers }) => {
      const files = new Set<string>();
      const packages = new Set<string>();
      for (const specifier of specifiers) {
        if (specifier === undefined) throw new Error(`${path} imports a computed name.`);
        const file = fileOf(path, specifier);
        if (file === undefined) packages.add(packageOf(specifier));
        else if (known.has(file)) files.add(file);
        else if (file === 'package.json') packages.add(file);
        else throw new Error(`${path} imports ${specifier}, which is not in src.`);
      }
      return [path, { files, packages }];
    }),
  );
}

function fileOf(importer: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(importer), specifier);
  return specifier.startsWith('#') ? specifier.slice(1) : undefined;
}

function packageOf(specifier: string): string {
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? specifier : `node:${specifier}`;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Everything that a file needs in the end, itself included, with the way there. */
export function reach(graph: ImportGraph, start: string): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[start, [start]]]);
  for (const [file, way] of ways) {
    for (const next of graph.get(file)?.files ?? []) {
      if (!ways.has(next)) ways.set(next, [...way, next]);
    }
  }
  return ways;
}

/** Each cycle once, from its first file in order of the alphabet. */
export function cycles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  for (const [start, { files }] of graph) {
    for (const next of files) {
      const back = reach(graph, next).get(start);
      if (back && [...back].every((file) => start <= file)) found.push([start, ...back]);
    }
  }
  return found;
}
