import type { MigrationImpact } from '#src/application/migrations/impact.ts';

/** As everything else is printed for programs, in snake case. */
export const impactView = ({ isBreaking, contractTests, ...rest }: MigrationImpact) => ({
  ...rest,
  is_breaking: isBreaking,
  contract_tests: contractTests,
});
