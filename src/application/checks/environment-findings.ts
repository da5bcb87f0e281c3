import type { CredentialFacts } from './facts.ts';
import type { Finding } from './finding.ts';
import { found } from './found.ts';
import { credentialFindings } from './other-findings.ts';

/** An environment as it was read, without the value of any variable. */
export interface EnvironmentFacts {
  /** What a start would refuse. */
  readonly faults: readonly string[];
  /** Names that are read by nobody, with the name that seems to be meant. */
  readonly nearMisses: ReadonlyMap<string, string>;
  /** Secrets that stand where everybody may read. */
  readonly exposed: readonly string[];
  readonly credentials: readonly CredentialFacts[];
  /** How many variables were looked at. */
  readonly variables: number;
}

/** DEP-6: every variable of an environment against the schema. */
export function environmentFindings(facts: EnvironmentFacts): Finding[] {
  const { faults, nearMisses, exposed, credentials, variables } = facts;
  const findings = [
    ...faults.map((fault) =>
      found('variable', 'critical', fault, { explanation: 'The service does not start with it.' }),
    ),
    ...[...nearMisses].map(([name, meant]) =>
      found('near-miss', 'warning', `${name}: nobody reads it; is ${meant} meant?`, {
        explanation: `The default of ${meant} is in force.`,
      }),
    ),
    ...exposed.map((name) =>
      found('tier', 'critical', `${name}: a secret among public values`, {
        explanation:
          'Whoever may read the configuration has it. Replace it, and give the new one in a Secret.',
      }),
    ),
  ];
  return [
    ...(findings.length > 0
      ? findings
      : [found('variable', 'ok', `${variables} variables are as the schema says`)]),
    ...credentialFindings(credentials),
  ];
}
