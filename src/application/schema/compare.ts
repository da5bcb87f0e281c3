import type { Finding } from '../checks/finding.ts';

export interface SchemaObject {
  /** Such as `column` or `grants on table`. */
  readonly kind: string;
  /** Tells it from the others of its kind. */
  readonly name: string;
  /** The rest, in one way of writing. */
  readonly definition: string;
  /** The statement that makes it so, if one does. */
  readonly mend: string | null;
}

const CHECK = 'schema-drift';
const RUNBOOK = 'docs/runbooks/schema-drift.md';
const LONGEST = 300;

/** Days of jobs and tens of millions of claims have tables of their own, which the service makes and drops itself. */
export const PARTITION = /\b(job|outcome|claim)_\d+(?=_|\b)/g;

/**
 * DATA-5: what a database has otherwise than its migrations say, object by object. A partition stands for all of its table: one that
 * differs from the others is found, how many there are does not matter.
 */
export function compareSchemas(expected: readonly SchemaObject[], live: readonly SchemaObject[]): Finding[] {
  const [wanted, there] = [grouped(expected), grouped(live)];
  const findings = [
    ...[...wanted].flatMap(([name, objects]) => ofWanted(name, objects, there.get(name))),
    ...[...there].flatMap(([name, objects]) => (wanted.has(name) ? [] : [unexpected(name, objects)])),
  ];
  if (findings.length > 0) return findings;
  return [{ check: CHECK, severity: 'ok', summary: `${wanted.size} objects are as the migrations say` }];
}

/** By kind and name, each definition once. */
function grouped(objects: readonly SchemaObject[]): ReadonlyMap<string, ReadonlyMap<string, SchemaObject>> {
  const groups = new Map<string, Map<string, SchemaObject>>();
  for (const object of objects) {
    const name = neutral(`${object.kind} ${object.name}`);
    const group = groups.get(name) ?? new Map<string, SchemaObject>();
    group.set(neutral(object.definition), object);
    groups.set(name, group);
  }
  return groups;
}

const neutral = (text: string): string => text.replaceAll(PARTITION, '$1_#');

function ofWanted(
  name: string,
  wanted: ReadonlyMap<string, SchemaObject>,
  there: ReadonlyMap<string, SchemaObject> = new Map(),
): Finding[] {
  const [object] = wanted.values();
  const found = {
    check: CHECK,
    severity: 'critical' as const,
    ...(object?.mend && { mend: object.mend }),
    runbook: RUNBOOK,
  };
  if (there.size === 0) return [{ ...found, summary: `missing: ${name}` }];
  return [...there].flatMap(([definition, { name: differing }]) => {
    if (wanted.has(definition)) return [];
    const of = neutral(differing) === differing ? '' : ` (${differing})`;
    const explanation = difference([...wanted.keys()].join(' or '), definition);
    return [{ ...found, summary: `changed: ${name}${of}`, explanation }];
  });
}

/** An extension may be the business of whoever runs the server. */
function unexpected(name: string, objects: ReadonlyMap<string, SchemaObject>): Finding {
  const [object] = objects.values();
  return {
    check: CHECK,
    severity: object?.kind === 'extension' ? 'warning' : 'critical',
    summary: `unexpected: ${name}`,
    explanation: 'No migration makes it.',
    runbook: RUNBOOK,
  };
}

/** From where they differ on. */
function difference(wanted: string, there: string): string {
  let start = 0;
  while (start < wanted.length && wanted[start] === there[start]) start += 1;
  const from = Math.max(0, start - 20);
  const part = (text: string): string =>
    text
      .slice(from, from + LONGEST)
      .replaceAll(/\s+/g, ' ')
      .trim();
  return `is … ${part(there)} … and should be … ${part(wanted)} …`;
}
