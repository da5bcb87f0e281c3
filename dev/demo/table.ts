export interface Line {
  readonly title: string;
  readonly status: string;
  readonly attempts: string;
  /** Place in the order of arrival at the receiver. */
  readonly arrived: string;
  readonly traceId: string;
}

const HEADER: Line = {
  title: 'job',
  status: 'status',
  attempts: 'runs',
  arrived: 'seen',
  traceId: 'trace id',
};

/** A table that is drawn over itself on a terminal; elsewhere only its last state is printed. */
export function createTable(output: NodeJS.WriteStream) {
  let drawn = 0;
  return {
    draw(lines: readonly Line[], last: boolean): void {
      if (!output.isTTY && !last) return;
      if (drawn > 0) output.write(`\u001B[${drawn}A\u001B[0J`);
      const rows = [HEADER, ...lines].map(({ title, status, attempts, arrived, traceId }) =>
        // A line that wraps would count as one and be two.
        `  ${title.padEnd(21)}${status.padEnd(11)}${attempts.padEnd(5)}${arrived.padEnd(7)}${traceId}`.slice(
          0,
          output.columns,
        ),
      );
      output.write(`${rows.join('\n')}\n`);
      drawn = rows.length;
    },
  };
}
