import { closest, distance } from 'fastest-levenshtein';
import type { Environment } from './load.ts';
import { variables } from './variables.ts';

/** Shorter names are near to too much: PORT to PATH. */
const SHORTEST = 6;
const NEAR = 2;

/** Names that nobody reads and that look like one that is read, but for those which the start refuses anyway: what is meant, by name. */
export function nearMisses(environment: Environment): ReadonlyMap<string, string> {
  const known = Object.keys(variables);
  return new Map(
    Object.keys(environment).flatMap((name): [string, string][] => {
      if (name.startsWith('DRAGONFLY_') || name.length < SHORTEST || known.includes(name)) return [];
      const nearest = closest(name.toUpperCase(), known);
      return distance(name.toUpperCase(), nearest) <= NEAR ? [[name, nearest]] : [];
    }),
  );
}
