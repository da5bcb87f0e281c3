import type { QueryResult } from 'pg';

export interface Reading {
  /** Of 8 KiB, with those that were in memory. */
  readonly pages: number;
  readonly rows: number | undefined;
}

/** What a statement reads, which is carried out. @param run with the connection and the values that it needs */
export async function pagesRead(
  run: (text: string) => Promise<unknown>,
  statement: string,
): Promise<Reading> {
  const { rows } = (await run(`explain (analyze, buffers, format json) ${statement}`)) as QueryResult<{
    'QUERY PLAN': [{ Plan: Record<string, number> }];
  }>;
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  return {
    pages: (plan?.['Shared Hit Blocks'] ?? Infinity) + (plan?.['Shared Read Blocks'] ?? Infinity),
    rows: plan?.['Actual Rows'],
  };
}
