export interface Line {
  readonly title: string;
  readonly status: string;
  readonly attempts: string;
  /** Place in the order of arrival at the receiver. */
  readonly arrived: string;
  readonly traceId: string;
}

const HEADER: Line = {
  title: 'This job …',
  status: 'status',
  attempts: 'attempts',
  arrived: 'arrived',
  traceId: 'trace id, in every log line, the database and the receiver’s headers',
};

/** A table that is drawn over itself on a terminal; elsewhere only its last state is printed. */
export function createTable(output: NodeJS.WriteStream) {
  let drawn = 0;
  return {
    draw(lines: readonly Line[], last: boolean): void {
      if (!output.isTTY && !last) return;
      if (drawn > 0) output.write(`\u001B[${drawn}A\u001B[0J`);
      const rows = [HEADER, ...lines].map(({ title, status, attempts, arrived, traceId }) =>
        `  ${title.padEnd(26)}${status.padEnd(12)}${attempts.padEnd(10)}${arrived.padEnd(9)}${traceId}`.trimEnd(),
      );
      output.write(`${rows.join('\n')}\n`);
      drawn = rows.length;
    },
  };
}
