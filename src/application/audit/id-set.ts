/** A set of ids that mostly come in ascending order, as ranges: its size is that of the gaps. */
export function createIdSet() {
  /** Ascending, with a gap between one and the next. */
  const ranges: { from: bigint; to: bigint }[] = [];

  /** The index of the first range that ends at `id` or later. */
  function find(id: bigint): number {
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[middle]?.to ?? id) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function has(id: bigint): boolean {
    const range = ranges[find(id)];
    return range !== undefined && range.from <= id;
  }

  return {
    has,
    /** Whether it was not there yet. */
    add(id: bigint): boolean {
      if (has(id)) return false;
      const index = find(id);
      const before = ranges[index - 1];
      const after = ranges[index];
      const from = before?.to === id - 1n ? before.from : id;
      const to = after?.from === id + 1n ? after.to : id;
      const first = from === id ? index : index - 1;
      ranges.splice(first, (from === id ? 0 : 1) + (to === id ? 0 : 1), { from, to });
      return true;
    },
  };
}
