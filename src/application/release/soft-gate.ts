import type { Finding } from '../checks/finding.ts';

export interface SoftCheck {
  readonly name: string;
  /** Says what is well. @throws Error that says what is not */
  readonly look: () => Promise<string>;
}

/** What a release needs of its surroundings, and nobody is to be kept from a release by: it warns. */
export const lookSoftly = async (
  checks: readonly SoftCheck[],
  reasonOf: (error: unknown) => string,
): Promise<Finding[]> =>
  await Promise.all(
    checks.map(async ({ name, look }): Promise<Finding> => {
      try {
        return { check: name, severity: 'ok', summary: await look() };
      } catch (error) {
        return { check: name, severity: 'warning', summary: reasonOf(error) };
      }
    }),
  );
