import { z } from 'zod';

/** An advisory that may stay for some days, because it does not reach us or has no cure yet: a waiver (DOC-3). */
export const acceptedAdvisories = z.array(
  z.strictObject({
    advisory: z.string().regex(/^GHSA(?:-[a-z\d]{4}){3}$/),
    dependency: z.string(),
    /** Why the risk is accepted until then. */
    reason: z.string().min(20),
    /** What ends it. */
    plan: z.string().min(10),
    approver: z.string().min(2),
    /** The last day on which it holds, in UTC. */
    until: z.iso.date(),
  }),
);
export type AcceptedAdvisory = z.infer<typeof acceptedAdvisories>[number];
