import { z } from 'zod';

const SEVERITIES = ['info', 'low', 'moderate', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export const isAtLeast = (severity: Severity, least: Severity): boolean =>
  SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);

/** Something known about a package that is installed. `id` is GitHub's: GHSA-…. */
export interface Advisory {
  readonly id: string;
  readonly dependency: string;
  readonly severity: Severity;
  readonly title: string;
}

/** `via` has advisories, and names of packages that have some themselves. */
const reportSchema = z.object({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(
    z.string(),
    z.object({
      via: z.array(
        z.union([
          z.string(),
          z.object({ name: z.string(), title: z.string(), url: z.url(), severity: z.enum(SEVERITIES) }),
        ]),
      ),
    }),
  ),
});

/** The advisories of what `npm audit --json` printed; undefined when the registry gave no answer. */
export function advisoriesOf(output: string): Advisory[] | undefined {
  const report = reportSchema.safeParse(parsed(output));
  if (!report.success) return undefined;
  const advisories = Object.values(report.data.vulnerabilities)
    .flatMap(({ via }) => via)
    .filter((cause) => typeof cause !== 'string')
    .map(({ name, title, url, severity }) => ({
      id: url.slice(url.lastIndexOf('/') + 1),
      dependency: name,
      severity,
      title,
    }));
  return [
    ...new Map(advisories.map((advisory) => [`${advisory.id} ${advisory.dependency}`, advisory])).values(),
  ];
}

function parsed(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined; // What is no JSON is no report.
  }
}
