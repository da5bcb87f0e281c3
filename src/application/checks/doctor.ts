import type { Finding } from './finding.ts';
import { found } from './found.ts';

/** One thing to look at; it may fail to. */
export interface Examination {
  /** For the finding that it could not be looked at: `postgres` becomes `postgres-reachable`. */
  readonly name: string;
  readonly examine: () => Promise<Finding[]>;
}

/**
 * Looks at everything at the same time. What cannot be looked at is critical: nobody knows how it is.
 *
 * @param reasonOf says why, without secrets
 * @param unseen the finding that something could not be looked at
 */
export async function examine(
  examinations: readonly Examination[],
  reasonOf: (error: unknown) => string,
  unseen: (name: string, reason: string) => Finding = unreachable,
): Promise<Finding[]> {
  const findings = await Promise.all(
    examinations.map(async ({ name, examine: look }) => {
      try {
        return await look();
      } catch (error) {
        return [unseen(name, reasonOf(error))];
      }
    }),
  );
  return findings.flat();
}

const unreachable = (name: string, reason: string): Finding =>
  found(`${name}-reachable`, 'critical', reason, {
    explanation: 'It could not be looked at: nobody knows how it is.',
  });

/** With what somebody brings about on purpose, as a release freezes the queues, taken for well. */
export const expecting = (findings: readonly Finding[], checks: readonly string[]): Finding[] =>
  findings.map((finding) =>
    checks.includes(finding.check) && finding.severity !== 'ok'
      ? found(finding.check, 'ok', `${finding.summary}, as expected`)
      : finding,
  );
