import { z } from 'zod';
import type { GateRecord } from './deployment.ts';
import { GATE_LIFE_MS } from './phases.ts';

const report = z.object({
  sha: z.string(),
  env: z.string(),
  strict: z.boolean(),
  started_at: z.iso.datetime(),
  passed: z.boolean(),
  hashes: z.record(z.string(), z.string()),
  checks: z.array(z.object({ name: z.string(), verdict: z.enum(['pass', 'warn', 'fail']) })),
  logs: z.string().nullable(),
});

export interface GateWanted {
  readonly sha: string;
  readonly env: string;
  readonly strict: boolean;
  readonly hashes: Readonly<Record<string, string>>;
  /** The names of all that a gate of that environment looks at. */
  readonly checks: readonly string[];
}

/** What is kept of a report of the gate, without the findings. */
export function gateRecordOf({
  sha,
  strict,
  started_at,
  passed,
  hashes,
  checks,
  logs,
}: GateRecord): GateRecord {
  return {
    sha,
    strict,
    started_at,
    passed,
    hashes,
    logs,
    checks: checks.map(({ name, verdict }) => ({ name, verdict })),
  };
}

/** That of a gate of before, in the place of one now. @throws Error that says why it is not good for this release */
export function acceptedGate(given: unknown, wanted: GateWanted, now: number): GateRecord {
  const { data } = report.safeParse(given);
  if (!data) throw new Error('It is no report of `dragonfly gate --report`.');
  const age = now - Date.parse(data.started_at);
  const faults = [
    data.sha !== wanted.sha && `is of ${data.sha}, not of ${wanted.sha}`,
    data.env !== wanted.env && `is of ${data.env}, not of ${wanted.env}`,
    !data.passed && 'did not pass',
    wanted.strict && !data.strict && 'is of a gate without --strict',
    !(age >= 0 && age <= GATE_LIFE_MS) && 'is not of the last hour',
    ...checkFaults(
      data.checks.map(({ name }) => name),
      wanted.checks,
    ),
    ...data.checks
      .filter(({ verdict }) => verdict === 'fail' || (verdict === 'warn' && wanted.strict))
      .map(({ name, verdict }) => `has ${verdict} for ${name}`),
    ...Object.entries(wanted.hashes).map(
      ([name, hash]) => data.hashes[name] !== hash && `saw another ${name}`,
    ),
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw new Error(`The report of the gate ${faults.join(', and ')}.`);
  return gateRecordOf(data);
}

/** It holds each check once, and no other. */
const checkFaults = (given: readonly string[], wanted: readonly string[]): string[] => [
  ...wanted.filter((name) => !given.includes(name)).map((name) => `says nothing of ${name}`),
  ...given
    .filter((name, index) => !wanted.includes(name) || given.indexOf(name) !== index)
    .map((name) => `has ${name}, which the gate has not`),
];
