import type { Review } from './review.ts';

/** Law by law, with the last result of each enforcement. */
export const describeLaws = ({ laws }: Review): string =>
  laws
    .map(({ id, text, state, notAdopted, waiver, enforcements }) =>
      [
        `${id}  ${text}`,
        ...enforcements.map(
          ({ result, kind, file, title }) => `  ${result.padEnd(9)} ${kind}: ${file}: ${title}`,
        ),
        ...(waiver ? [`  waived until ${waiver.expires}: ${waiver.rationale}`] : []),
        ...(notAdopted === undefined ? [] : [`  not adopted: ${notAdopted}`]),
        ...(state === 'unenforced' ? ['  nothing enforces it'] : []),
      ].join('\n'),
    )
    .join('\n');

export function summaryOf({ laws, faults }: Review): string {
  const count = (state: (typeof laws)[number]['state']): number =>
    laws.filter((law) => law.state === state).length;
  const partly = laws.filter(
    ({ state, text }) => state === 'enforced' && text.includes('Still missing:'),
  ).length;
  return (
    `${laws.length} laws, ${count('enforced')} enforced (${partly} in part), ` +
    `${count('waived')} waived, ${count('not adopted')} not adopted, ${count('unenforced')} unenforced. ${faults.length} faults.`
  );
}
