import type { AcceptedAdvisory } from '#src/application/release/triage.ts';
import { type Advisory, type Severity, isAtLeast } from './report.ts';

/** The least severity that blocks. What is deployed is held to more than what only builds and tests. */
const BLOCKS = { production: 'moderate', development: 'high' } as const satisfies Record<string, Severity>;

/** No exception is granted for longer, in days. */
const LONGEST = 13;
const DAY = 24 * 60 * 60 * 1000;

/** What blocks, one sentence each. `all` has the advisories of `production` too. Days are UTC, as `2026-01-31`. */
export function faults(
  advisories: { readonly all: readonly Advisory[]; readonly production: readonly Advisory[] },
  exceptions: readonly AcceptedAdvisory[],
  today: string,
): string[] {
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

const known = (list: readonly Advisory[], exception: AcceptedAdvisory): boolean =>
  list.some(({ id, dependency }) => id === exception.advisory && dependency === exception.dependency);
