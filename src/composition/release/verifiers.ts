import { examine, expecting } from '#src/application/checks/doctor.ts';
import { unseen } from '#src/application/checks/security/audited.ts';
import type { Verifier } from '#src/application/release/ports.ts';
import { examinations } from '#src/composition/doctor.ts';
import { BESIDE_A_RELEASE } from '#src/composition/gate/beside-a-release.ts';
import { reasonOf } from '#src/composition/reason.ts';
import { checkSchema, verifyState } from '#src/composition/schema-check.ts';
import { databaseExaminations } from '#src/composition/security-audit.ts';
import type { Environment } from '#src/config/load.ts';

interface Surroundings {
  readonly environment: Environment;
  readonly progress: (text: string) => void;
  /** What the doctor finds and is known. */
  readonly expected?: readonly string[] | undefined;
}

/**
 * What looks at the migrated database (DEP-4). The gate again, as far as a migration can change what it says: its doctor, schema check
 * and security audit. All else of it looked at the commit, which is the same.
 */
export const verifiersOf = ({ environment, progress, expected = [] }: Surroundings): Verifier[] => [
  {
    name: 'doctor',
    verify: async () =>
      expecting(await examine(examinations(environment), reasonOf), [
        ...BESIDE_A_RELEASE.doctor,
        ...expected,
      ]),
  },
  {
    name: 'schema-check',
    verify: async () => await checkSchema(environment, { applied: false, progress }),
  },
  { name: 'verify_db_state.sql', verify: async () => await verifyState(environment) },
  {
    name: 'security-audit',
    verify: async () =>
      expecting(
        await examine(databaseExaminations(environment), reasonOf, unseen),
        BESIDE_A_RELEASE.securityAudit,
      ),
  },
];
