import { type Constitution, PAGE } from './laws.ts';

const RANKS = ['none', 'patch', 'minor', 'major'] as const;
type Rank = (typeof RANKS)[number];

/** As a code host knows a person, and not a team. */
const HANDLE = /^@[a-z\d](?:-?[a-z\d])*$/i;

/**
 * Whether an amended constitution raises its version, and two maintainers have approved each amendment since the release, as
 * DOC-2 asks. Before the first release the authors are alone, and nobody has been promised anything.
 */
export function amendmentFaults(released: Constitution, current: Constitution): string[] {
  const asked = requiredRank(released, current);
  const made = rankOf(released.version, current.version);
  const known = new Set(released.amendments.map(({ version }) => version));
  const unapproved = current.amendments.filter(
    ({ version, approvers }) => !known.has(version) && approversIn(approvers).size < 2,
  );
  return [
    ...(RANKS.indexOf(made) < RANKS.indexOf(asked)
      ? [
          `${PAGE} changed by a ${asked} amendment since ${released.version}, and calls itself ${current.version}.`,
        ]
      : []),
    ...unapproved.map(
      ({ version }) =>
        `The amendment ${version} of ${PAGE} needs two who approve it, by their handles: @one, @another.`,
    ),
  ];
}

const approversIn = (named: readonly string[]): Set<string> =>
  new Set(named.filter((name) => HANDLE.test(name)).map((name) => name.toLowerCase()));

/** What is wrong with the change log: the newest amendment is first, and is the version. */
export function logFaults({ version, amendments }: Constitution): string[] {
  const [newest] = amendments;
  const dates = amendments.map(({ date }) => date);
  return [
    ...(newest?.version === version ? [] : [`The change log of ${PAGE} does not begin with ${version}.`]),
    ...(dates.join() === dates.toSorted().toReversed().join()
      ? []
      : [`The change log of ${PAGE} is not in the order of its dates.`]),
  ];
}

/** A law that is removed or given up is MAJOR, one that is new or adopted MINOR, other words are PATCH. */
function requiredRank(released: Constitution, current: Constitution): Rank {
  const before = new Map(released.laws.map((law) => [law.id, law]));
  const after = new Map(current.laws.map((law) => [law.id, law]));
  const isAdopted = (laws: typeof before, id: string): boolean =>
    laws.has(id) && laws.get(id)?.notAdopted === undefined;
  const ids = [...new Set([...before.keys(), ...after.keys()])];
  if (ids.some((id) => !after.has(id) || (isAdopted(before, id) && !isAdopted(after, id)))) return 'major';
  if (ids.some((id) => !before.has(id) || (!isAdopted(before, id) && isAdopted(after, id)))) return 'minor';
  const isReworded = (id: string): boolean => {
    const [old, now] = [before.get(id), after.get(id)];
    return old?.text !== now?.text || old?.notAdopted !== now?.notAdopted;
  };
  return ids.some(isReworded) ? 'patch' : 'none';
}

function rankOf(from: string, to: string): Rank {
  const [a, b] = [from, to].map((version) => version.split('.').map(Number));
  const at = [0, 1, 2].find((index) => a?.[index] !== b?.[index]);
  if (at === undefined || (a?.[at] ?? 0) > (b?.[at] ?? 0)) return 'none';
  return (['major', 'minor', 'patch'] as const)[at] ?? 'none';
}
