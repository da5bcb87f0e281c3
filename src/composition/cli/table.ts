/** Columns side by side, as wide as their widest cell. */
export function tableOf(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The named fields of what an API answered, under their names. */
export const fieldsTable = (
  names: readonly string[],
  records: readonly Readonly<Record<string, unknown>>[],
): string =>
  tableOf([
    names.map((name) => name.toUpperCase()),
    ...records.map((record) => names.map((name) => textOf(record[name]))),
  ]);

const textOf = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
};
