import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { daysBetween } from './dates.ts';

export const WAIVERS = 'waivers.yaml';
const LONGEST_DAYS = 14;

const sentence = z.string().trim().min(20, 'says too little');
const waiver = z.strictObject({
  law: z.string(),
  rationale: sentence,
  risk_acceptance: sentence,
  approver: z.string().trim().min(1),
  remediation_plan: sentence,
  /** The last day on which it holds. */
  expires: z.iso.date(),
});
const file = z.strictObject({ waivers: z.array(waiver) });

export type Waiver = z.infer<typeof waiver>;

/** Throws when the file is not what DOC-3 asks for, with each field that is not. */
export function parseWaivers(text: string): Waiver[] {
  const read = file.safeParse(parse(text));
  if (!read.success) throw new Error(`${WAIVERS}: ${z.prettifyError(read.error)}`);
  return read.data.waivers;
}

export const readWaivers = (root: string): Waiver[] =>
  parseWaivers(readFileSync(join(root, WAIVERS), 'utf8'));

/** What is wrong with a waiver on a day, if anything. */
export function waiverFault({ law, expires }: Waiver, today: string): string | undefined {
  const days = daysBetween(today, expires);
  if (days < 0) return `The waiver of ${law} expired on ${expires}: meet the law, or have it waived anew.`;
  if (days >= LONGEST_DAYS) {
    return `The waiver of ${law} ends in ${days} days: fewer than ${LONGEST_DAYS} are allowed (DOC-3).`;
  }
  return undefined;
}
