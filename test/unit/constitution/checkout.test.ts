import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logFaults } from '../../../scripts/constitution/amendments.ts';
import { collectEnforcements } from '../../../scripts/constitution/enforcements.ts';
import { readConstitution } from '../../../scripts/constitution/laws.ts';
import { review } from '../../../scripts/constitution/review.ts';
import { readSabotages, sabotageFaults } from '../../../scripts/constitution/sabotage.ts';
import { readWaivers } from '../../../scripts/constitution/waivers.ts';

const root = resolve(import.meta.dirname, '../../..');
const constitution = readConstitution(root);
const enforcements = collectEnforcements(root);

describe('the constitution of this checkout', () => {
  it('numbers the laws of each group from 1 without a gap', () => {
    const ids = constitution.laws.map(({ id }) => id.split('-'));
    expect(ids.length).toBeGreaterThan(80);
    for (const [group = '', members] of Map.groupBy(ids, ([group]) => group)) {
      expect(members).toEqual(members.map((_, index) => [group, String(index + 1)]));
    }
  });

  it('[DOC-2] has its version and every earlier one in the change log', () => {
    expect(logFaults(constitution)).toEqual([]);
  });

  it('[DOC-3] has a check, a waiver that holds, or a reason for each law, and no check of an unknown law', () => {
    const { faults } = review({
      constitution,
      enforcements,
      waivers: readWaivers(root),
      results: undefined,
      resultsHold: false,
      today: new Date().toISOString().slice(0, 10),
    });
    expect(faults).toEqual([]);
  });

  it('has a sabotage, which still fits, for each law of availability, security and the queue', () => {
    expect(sabotageFaults(root, readSabotages(root), constitution.laws, enforcements)).toEqual([]);
  });
});
