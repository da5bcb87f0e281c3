import { daysBetween } from './dates.ts';
import { type Enforcement, isRunByGate } from './enforcements.ts';
import type { Constitution, Law } from './laws.ts';
import { type Outcome, type Results, outcomeOf } from './results.ts';
import { type Waiver, waiverFault } from './waivers.ts';

const AUDIT_DAYS = 92;
const WAIVER_WARNING_DAYS = 3;

export interface Facts {
  readonly constitution: Constitution;
  readonly enforcements: readonly Enforcement[];
  readonly waivers: readonly Waiver[];
  /** Of the last run of the gate, if there was one. */
  readonly results: Results | undefined;
  /** Whether the results are of the very files of the checkout, so that they decide. */
  readonly resultsHold: boolean;
  /** ISO date. */
  readonly today: string;
}

export interface ReviewedLaw {
  readonly id: string;
  readonly text: string;
  readonly state: 'enforced' | 'waived' | 'not adopted' | 'unenforced';
  readonly notAdopted?: string;
  readonly waiver?: Waiver;
  readonly enforcements: readonly (Enforcement & { readonly result: Outcome })[];
}

export interface Review {
  readonly laws: readonly ReviewedLaw[];
  /** What breaks the constitution now. */
  readonly faults: readonly string[];
  /** What will, or deserves a look: a fault only when strictly judged. */
  readonly warnings: readonly string[];
}

/** Law by law: what enforces it, what became of that, and what is wrong. */
export function review(facts: Facts): Review {
  const laws = facts.constitution.laws.map((law) => reviewed(law, facts));
  return {
    laws,
    faults: [
      ...laws.flatMap(lawFaults),
      ...unknownLaws(facts),
      ...facts.waivers.flatMap((waiver) => waiverFault(waiver, facts.today) ?? []),
      ...(facts.resultsHold ? laws.flatMap(resultFaults) : []),
    ],
    warnings: warningsOf(laws, facts),
  };
}

function reviewed({ id, text, notAdopted }: Law, { enforcements, waivers, results }: Facts): ReviewedLaw {
  const own = enforcements
    .filter(({ laws }) => laws.includes(id))
    .map((enforcement) =>
      Object.assign(
        { result: results ? outcomeOf(enforcement, results) : ('not run' as const) },
        enforcement,
      ),
    );
  const waiver = waivers.find(({ law }) => law === id);
  return {
    id,
    text,
    state: stateOf(notAdopted, waiver, own),
    ...(notAdopted === undefined ? {} : { notAdopted }),
    ...(waiver ? { waiver } : {}),
    enforcements: own,
  };
}

function stateOf(
  notAdopted: string | undefined,
  waiver: Waiver | undefined,
  enforcements: readonly Enforcement[],
): ReviewedLaw['state'] {
  if (notAdopted !== undefined) return 'not adopted';
  if (waiver) return 'waived';
  return enforcements.some(isRunByGate) ? 'enforced' : 'unenforced';
}

function lawFaults({ id, state, enforcements, waiver }: ReviewedLaw): string[] {
  if (state === 'unenforced') {
    return [
      `${id} has no enforcement: name it in the title of a check, waive it, or say why it is not adopted.`,
    ];
  }
  if (state !== 'not adopted') return [];
  return [
    ...(enforcements.length > 0
      ? [`${id} is enforced by ${enforcements[0]?.file}: adopt it, by removing "Not adopted" and amending.`]
      : []),
    ...(waiver ? [`${id} is waived, but it is not adopted.`] : []),
  ];
}

function unknownLaws({ constitution, enforcements, waivers }: Facts): string[] {
  const known = new Set(constitution.laws.map(({ id }) => id));
  return [
    ...enforcements.flatMap(({ file, title, laws }) =>
      laws.filter((law) => !known.has(law)).map((law) => `${file}: no law is called ${law} (${title})`),
    ),
    ...waivers.filter(({ law }) => !known.has(law)).map(({ law }) => `waivers.yaml: no law is called ${law}`),
  ];
}

function resultFaults({ id, state, enforcements }: ReviewedLaw): string[] {
  if (state === 'waived') return [];
  const unchecked = enforcements.filter(isUnchecked);
  const hasPassed = enforcements.some(({ result }) => result === 'passed');
  return [
    ...enforcements
      .filter((enforcement) => !isUnchecked(enforcement))
      .filter(({ result }) => result !== 'passed' && result !== 'elsewhere')
      .map(({ file, title, result }) => `${id}: ${result} in the gate: ${file}: ${title}`),
    ...(hasPassed
      ? []
      : unchecked.map(({ title }) => `${id}: nothing of it was checked in the gate: ${title}`)),
  ];
}

/**
 * A step says that it could not check, without a network for example; a test that is skipped says nothing. It is a warning while
 * another check of the same law ran and passed.
 */
const isUnchecked = ({ kind, result }: ReviewedLaw['enforcements'][number]): boolean =>
  kind === 'gate step' && result === 'skipped';

function warningsOf(
  laws: readonly ReviewedLaw[],
  { constitution, waivers, today, resultsHold }: Facts,
): string[] {
  const sinceAudit = daysBetween(constitution.audited, today);
  return [
    ...(sinceAudit > AUDIT_DAYS ? [`The last audit was ${sinceAudit} days ago: one a quarter is due.`] : []),
    ...waivers
      .map(({ law, expires }) => ({ law, expires, days: daysBetween(today, expires) }))
      .filter(({ days }) => days >= 0 && days <= WAIVER_WARNING_DAYS)
      .map(({ law, expires }) => `The waiver of ${law} ends on ${expires}.`),
    ...(resultsHold ? laws : [])
      .filter(({ state }) => state !== 'waived')
      .flatMap(({ id, enforcements }) =>
        enforcements
          .filter(isUnchecked)
          .map(({ title }) => `${id}: could not be checked in the gate: ${title}`),
      ),
  ];
}
