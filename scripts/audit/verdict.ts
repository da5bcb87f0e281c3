import { z } from 'zod';
import { type Advisory, type Severity, isAtLeast } from './report.ts';

/** An advisory that may stay for some days, because it does not reach us or has no cure yet: a waiver (DOC-3). */
export const exceptionsSchema = z.array(
  z.strictObject({
    advisory: z.string().regex(/^GHSA(?:-[a-z\d]{4}){3}$/),
    dependency: z.string(),
    /** Why the risk is accepted until then. */
    reason: z.string().min(20),
    /** What ends it. */
    plan: z.string().min(10),
    approver: z.string().min(2),
    /** The last day on which it holds. */
    until: z.iso.date(),
  }),
);
export type Exceptions = z.infer<typeof exceptionsSchema>;

/** The least severity that blocks. What is deployed is held to more than what only builds and tests. */
const BLOCKS = { production: 'moderate', development: 'high' } as const satisfies Record<string, Severity>;

/** No exception is granted for longer, in days. */
const LONGEST = 13;
const DAY = 24 * 60 * 60 * 1000;

/** What blocks, one sentence each. `all` has the advisories of `production` too. Days are UTC, as `2026-01-31`. */
export function faults(
  advisories: { readonly all: readonly Advisory[]; readonly production: readonly Advisory[] },
  exceptions: Exceptions,
  today: string,
): string[] {
  const known = (list: readonly Advisory[], exception: Exceptions[number]): boolean =>
    list.some(({ id, dependency }) => id === exception.advisory && dependency === exception.dependency);
  const isExcepted = ({ id, dependency }: Advisory): boolean =>
    exceptions.some(
      (exception) =>
        exception.advisory === id && exception.dependency === dependency && exception.until >= today,
    );

  const deployed = new Set(advisories.production.map(({ id, dependency }) => `${id} ${dependency}`));
  const blocking = advisories.all.filter((advisory) => {
    const where = deployed.has(`${advisory.id} ${advisory.dependency}`) ? 'production' : 'development';
    return isAtLeast(advisory.severity, BLOCKS[where]) && !isExcepted(advisory);
  });
  const latest = new Date(Date.parse(today) + LONGEST * DAY).toISOString().slice(0, 10);
  return [
    ...blocking.map(
      ({ id, dependency, severity, title }) =>
        `${dependency}: ${severity}: ${title} (https://github.com/advisories/${id})`,
    ),
    ...exceptions
      .filter(({ until }) => until < today)
      .map(({ advisory, until }) => `The exception for ${advisory} ended on ${until}.`),
    ...exceptions
      .filter(({ until }) => until > latest)
      .map(
        ({ advisory, until }) =>
          `The exception for ${advisory} until ${until} is longer than ${LONGEST} days.`,
      ),
    ...exceptions
      .filter((exception) => !known(advisories.all, exception))
      .map(
        ({ advisory, dependency }) =>
          `The exception for ${advisory} has no use: ${dependency} has it no more.`,
      ),
  ];
}
