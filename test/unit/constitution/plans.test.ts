import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Law, readConstitution } from '../../../scripts/constitution/laws.ts';
import { planFaults, renderPlanTemplate } from '../../../scripts/plans/template.ts';

const root = resolve(import.meta.dirname, '../../..');
const { laws } = readConstitution(root);
const law = (id: string, notAdopted?: string): Law => ({ id, text: 'One: and two. Three.', notAdopted });
const LAWS = [law('AV-1'), law('SEC-2'), law('K8S-3', 'later')];
const template = renderPlanTemplate(LAWS);
const accepted = template.replace('Status: proposed', 'Status: accepted');

describe('[DOC-4] a plan', () => {
  it('has a check of every law that is adopted, made from the constitution', () => {
    const committed = readFileSync(`${root}/docs/plans/template.md`, 'utf8');
    const listed = [...committed.matchAll(/^- \[ \] \*\*(\S+)\*\*/gm)].map(([, id]) => id);
    expect(listed).toEqual(laws.filter(({ notAdopted }) => notAdopted === undefined).map(({ id }) => id));
    expect(template).toContain('- [ ] **AV-1** One: and two.\n- [ ] **SEC-2** One: and two.\n');
  });

  it.each(globSync('docs/plans/*.md', { cwd: root }))('%s owes nothing', (file) => {
    expect(planFaults(readFileSync(`${root}/${file}`, 'utf8'), laws)).toEqual([]);
  });

  it.each([
    ['lacks a law', template.replace(/^.*AV-1.*\n/m, ''), ['AV-1 is not in its constitution check.']],
    [
      'names a law elsewhere only',
      `- [x] **AV-1**\n${template.replace(/^.*AV-1.*\n/m, '')}`,
      ['AV-1 is not in its constitution check.'],
    ],
    [
      'is accepted without a thought of one',
      accepted.replace('[ ] **AV-1', '[x] **AV-1'),
      ['SEC-2 is not ticked, and the plan is accepted.'],
    ],
    [
      'has no status',
      template.replace('Status:', 'State:'),
      ['It has no line "Status: proposed", "accepted" or "done".'],
    ],
  ])('that %s is refused', (_, plan, faults) => {
    expect(planFaults(plan, LAWS)).toEqual(faults);
  });

  it('passes with every law ticked, and as history', () => {
    expect(planFaults(accepted.replaceAll('[ ]', '[x]'), LAWS)).toEqual([]);
    expect(planFaults('Status: done, long ago.', LAWS)).toEqual([]);
  });
});
