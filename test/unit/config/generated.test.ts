import { readFileSync } from 'node:fs';
import { ROLES, type Variable } from '#src/config/variable.ts';
import { variableGroups, variables } from '#src/config/variables.ts';
import { describe, expect, it } from 'vitest';

/** Names that other programs share; every other name has the prefix. */
const STANDARD_NAMES = new Set(['HOST', 'PORT', 'LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT']);
const entries = Object.entries<Variable>(variables);
const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('[K8S-5] [DATA-6] the schema of the environment', () => {
  it('names every variable in upper snake case with the prefix, but for the standard names', () => {
    const own = entries.map(([name]) => name).filter((name) => !STANDARD_NAMES.has(name));
    expect(own.filter((name) => !/^DRAGONFLY(?:_[A-Z0-9]+)+$/.test(name))).toEqual([]);
  });

  it('has every variable once, in one group', () => {
    const grouped = Object.values(variableGroups).flatMap((group) => Object.keys(group));
    expect(grouped).toEqual(Object.keys(variables));
  });

  it('has defaults that it accepts itself', () => {
    const refused = entries.filter(
      ([, { fallback, schema }]) => fallback !== undefined && !schema.safeParse(fallback).success,
    );
    expect(refused).toEqual([]);
  });

  it('[SEC-2] has no default for a secret', () => {
    expect(
      entries.filter(([, { tier, fallback }]) => tier === 'sensitive' && fallback !== undefined),
    ).toEqual([]);
  });

  it('gives what only the API does at its end to the API alone, and the wait for PostgreSQL to all', () => {
    expect(variables.DRAGONFLY_SHUTDOWN_DELAY.roles).toEqual(['api']);
    expect(variables.DRAGONFLY_SHUTDOWN_TIMEOUT.roles).toEqual(['api']);
    expect(variables.DRAGONFLY_START_TIMEOUT.roles).toEqual(ROLES);
  });

  it('[SEC-1] gives every secret to named roles, never to all', () => {
    const shared = entries.filter(
      ([, { tier, roles }]) => tier === 'sensitive' && roles.length === ROLES.length,
    );
    expect(shared).toEqual([]);
  });
});

describe('[K8S-5] the documents of the environment', () => {
  it('.env.example has every variable, and no value of a secret', () => {
    const lines = read('.env.example').split('\n');
    for (const [name, { fallback }] of entries) expect(lines).toContain(`#${name}=${fallback ?? ''}`);
  });

  it('docs/configuration.md has every variable', () => {
    const page = read('docs/configuration.md');
    for (const [name] of entries) expect(page).toContain(`| \`${name}\``);
  });
});
