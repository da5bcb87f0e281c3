import type { Law } from '../constitution/laws.ts';

/** DOC-4: where a plan answers for each law that the project holds itself to. */
const HEADING = '## Constitution check';

const isAdopted = ({ notAdopted }: Law): boolean => notAdopted === undefined;
const firstSentence = (text: string): string => /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;

export const renderPlanTemplate = (laws: readonly Law[]): string => `# Plan: what is to be built

Status: proposed. One of proposed, accepted, done. Copy this file beside itself; \`npm run generate\` writes the template from
the [constitution](../constitution.md).

## Why

Whose problem it is, and how one will see that it is solved. The issue or the decision record.

## What

What changes for clients, operators and data; what does not.

## Test first

Which tests fail before, in the order in which they are written.

## Migrations and their way back

None, or what happens to rows that are there and to replicas of the release before, and how it is undone.

## Logs, metrics and alerts

What will be added, and who looks at it.

${HEADING}

Tick what was thought of. Where the plan touches a law, say how it is kept; where it cannot be kept, there is no plan yet.

${laws
  .filter(isAdopted)
  .map(({ id, text }) => `- [ ] **${id}** ${firstSentence(text)}`)
  .join('\n')}
`;

/** What an unfinished plan still owes: laws that it does not list, and laws that it has not thought of. */
export function planFaults(plan: string, laws: readonly Law[]): string[] {
  const status = /^Status: (proposed|accepted|done)\b/m.exec(plan)?.[1];
  if (status === undefined) return ['It has no line "Status: proposed", "accepted" or "done".'];
  // What is done was checked by the laws of its time.
  if (status === 'done') return [];
  const [, check = ''] = plan.split(`\n${HEADING}\n`);
  const marks = new Map(
    [...check.matchAll(/^- \[(.)\] \*\*([A-Z0-9]+-\d+)\*\*/gm)].map(([, mark, id]) => [id, mark]),
  );
  return laws.filter(isAdopted).flatMap(({ id }) => {
    if (!marks.has(id)) return [`${id} is not in its constitution check.`];
    return status === 'accepted' && marks.get(id) !== 'x'
      ? [`${id} is not ticked, and the plan is accepted.`]
      : [];
  });
}
