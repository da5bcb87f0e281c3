import { type Seal, type Sha256, type StoredEntry, textOfEntry, textOfSeal } from './chain.ts';
import { createIdSet } from './id-set.ts';

/** What the retention has deleted, by the entry of the newest deletion. */
export interface Pruned {
  readonly seal: bigint;
  readonly hash: string;
}

/** The audit log and its seals as they are stored, a page at a time. */
export interface AuditTrail {
  /** Undefined when nothing was ever deleted. */
  pruned(): Promise<Pruned | undefined>;
  sealsAfter(seq: bigint): Promise<Seal[]>;
  entries(ids: readonly bigint[]): Promise<StoredEntry[]>;
  /** In the order of ids. `due`: it should have had a seal long since. */
  entriesAfter(id: bigint): Promise<{ readonly id: bigint; readonly due: boolean }[]>;
}

interface Dependencies {
  readonly trail: AuditTrail;
  readonly sha256: Sha256;
}

export type FaultKind =
  | 'seal_missing'
  | 'seal_changed'
  | 'chain_broken'
  | 'entry_missing'
  | 'entry_changed'
  | 'entry_sealed_twice'
  | 'entry_unsealed'
  | 'anchor_missing';

export interface Fault {
  readonly kind: FaultKind;
  /** The seal that does not fit. */
  readonly seal: bigint | null;
  /** The entries that are concerned. */
  readonly entries: readonly bigint[];
}

export interface Verification {
  readonly seals: number;
  readonly entries: number;
  /** The last seal that the retention has deleted; null when it has deleted none. */
  readonly prunedThrough: bigint | null;
  /** The hash of the last seal; null when there is none. */
  readonly head: string | null;
  /** In the order of the chain; none when the log is what was sealed. */
  readonly faults: readonly Fault[];
}

/** Also of ids that nobody has given. */
const BEFORE_ALL = -(2n ** 63n);

/**
 * Computes the chain of hashes anew from the entries. It holds a page in memory and, of what it has seen, which ids.
 *
 * @param anchor the hash of a seal that was noted elsewhere and must be in the chain still
 */
export async function verifyAuditLog(dependencies: Dependencies, anchor?: string): Promise<Verification> {
  const { trail } = dependencies;
  for (let pruned = await trail.pruned(); ;) {
    const found = await verifySince(pruned, dependencies, anchor);
    const now = await trail.pruned();
    // What was deleted meanwhile may be missing in what was found.
    if (now?.seal === pruned?.seal) return found;
    pruned = now;
  }
}

/** What was deleted is known by its last seal: the entry of the deletion is sealed itself, and so the chain goes on from there. */
async function verifySince(
  pruned: Pruned | undefined,
  { trail, sha256 }: Dependencies,
  anchor: string | undefined,
): Promise<Verification> {
  const faults: Fault[] = [];
  const sealed = createIdSet();
  let last: Pick<Seal, 'seq' | 'hash'> | undefined = pruned && { seq: pruned.seal, hash: pruned.hash };
  let walkedTo = BEFORE_ALL;
  let seals = 0;
  let entries = 0;
  let anchored = anchor === undefined || anchor === pruned?.hash;

  const note = (kind: FaultKind, seal: bigint | null, ids: readonly bigint[] = []): void => {
    faults.push({ kind, seal, entries: ids });
  };
  const noteAny = (kind: FaultKind, seal: bigint, ids: readonly bigint[]): void => {
    if (ids.length > 0) note(kind, seal, ids);
  };

  async function walkSeals(): Promise<void> {
    for (;;) {
      const page = await trail.sealsAfter(walkedTo);
      if (page.length === 0) return;
      const stored = await trail.entries(page.flatMap(({ ids }) => ids));
      const byId = new Map(stored.map((entry) => [entry.id, entry]));
      for (const seal of page) check(seal, byId);
    }
  }

  function check(seal: Seal, byId: ReadonlyMap<bigint, StoredEntry>): void {
    const { seq, ids, digests } = seal;
    const expected = (last?.seq ?? 0n) + 1n;
    if (seq !== expected) note('seal_missing', expected);
    else if (seal.previousHash !== (last?.hash ?? null)) note('chain_broken', seq);
    if (sha256(textOfSeal(seal)) !== seal.hash) note('seal_changed', seq, ids);
    noteAny(
      'entry_sealed_twice',
      seq,
      ids.filter((id) => !sealed.add(id)),
    );
    noteAny(
      'entry_missing',
      seq,
      ids.filter((id) => !byId.has(id)),
    );
    const changed = ids.filter((id, index) => {
      const entry = byId.get(id);
      return entry && sha256(textOfEntry(entry)) !== digests[index];
    });
    noteAny('entry_changed', seq, changed);
    last = seal;
    walkedTo = seq;
    seals += 1;
    entries += ids.length;
    anchored ||= seal.hash === anchor;
  }

  async function unsealedEntries(): Promise<bigint[]> {
    const found: bigint[] = [];
    let after = BEFORE_ALL;
    for (;;) {
      const page = await trail.entriesAfter(after);
      if (page.length === 0) return found;
      found.push(...page.filter(({ id, due }) => due && !sealed.has(id)).map(({ id }) => id));
      after = page.at(-1)?.id ?? after;
    }
  }

  await walkSeals();
  const unsealed = await unsealedEntries();
  // Those that were sealed meanwhile.
  await walkSeals();
  const left = unsealed.filter((id) => !sealed.has(id));
  if (left.length > 0) note('entry_unsealed', null, left);
  if (!anchored) note('anchor_missing', null);
  return { seals, entries, prunedThrough: pruned?.seal ?? null, head: last?.hash ?? null, faults };
}
