import type { ReviewedLaw } from './review.ts';

/** Law by law, with the last result of each enforcement. */
export const describeLaws = (laws: readonly ReviewedLaw[]): string =>
  laws.flatMap((law) => [`${law.id}  ${law.text}`, ...detailsOf(law).map((line) => `  ${line}`)]).join('\n');

const detailsOf = ({ state, enforcements, waiver, notAdopted }: ReviewedLaw): string[] => [
  ...enforcements.map(({ result, kind, file, title }) => `${result.padEnd(9)} ${kind}: ${file}: ${title}`),
  ...(waiver ? [`waived until ${waiver.expires}: ${waiver.rationale}`] : []),
  ...(notAdopted === undefined ? [] : [`not adopted: ${notAdopted}`]),
  ...(state === 'unenforced' ? ['nothing enforces it'] : []),
];

export function summaryOf(laws: readonly ReviewedLaw[]): string {
  const count = (state: ReviewedLaw['state']): number => laws.filter((law) => law.state === state).length;
  const partly = laws.filter(({ state, text }) => state === 'enforced' && text.includes('Still missing:'));
  return (
    `${laws.length} laws, ${count('enforced')} enforced (${partly.length} in part), ${count('waived')} waived, ` +
    `${count('not adopted')} not adopted, ${count('unenforced')} unenforced`
  );
}
