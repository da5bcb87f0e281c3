import { linkSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStatus } from './processes.ts';

/** The one supervisor of a checkout, as written down for the next one that is started there. */
export interface Running {
  readonly pid: number;
  /** Empty until the app is ready. */
  readonly api: string;
}

interface Entry extends Running {
  readonly started: string | undefined;
}

export interface Claim {
  /** Tells where the app is. */
  update(api: string): void;
}

/**
 * Claims the state folder for this process, or says who has it; the claim ends with the process, however that ends.
 *
 * Claims are numbered, and the highest number has the folder while its process lives. A file appears under its number with
 * its content (a link) and once, and the highest one is never removed. So of those who find a dead one at the same time,
 * one gets the next number; a latecomer who got a lower one, which was free again, sees that there is a higher one.
 */
export function claimFolder(state: string): Claim | Running {
  const draft = join(state, `running.${process.pid}.new`);
  const write = (api: string): void => {
    const entry: Entry = { pid: process.pid, started: processStatus(process.pid)?.started, api };
    writeFileSync(draft, JSON.stringify(entry), { mode: 0o600 });
  };
  for (;;) {
    const last = claimsIn(state).at(-1) ?? 0;
    const other = readEntry(fileOf(state, last));
    if (other && processStatus(other.pid)?.started === other.started) return other;
    const mine = last + 1;
    const file = fileOf(state, mine);
    write('');
    const won = linkAs(draft, file) && claimsIn(state).at(-1) === mine;
    rmSync(draft);
    if (!won) continue;
    for (const claim of claimsIn(state).filter((claim) => claim < mine))
      rmSync(fileOf(state, claim), { force: true });
    return {
      update: (api) => {
        write(api);
        renameSync(draft, file);
      },
    };
  }
}

/** Their numbers, the highest last. */
function claimsIn(state: string): number[] {
  const numbers = readdirSync(state).map((name) => Number(/^running\.(\d+)\.json$/.exec(name)?.[1]));
  return numbers.filter((number) => !Number.isNaN(number)).toSorted((a, b) => a - b);
}

const fileOf = (state: string, claim: number): string => join(state, `running.${claim}.json`);

/** @returns whether there was no such file */
function linkAs(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function readEntry(file: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Entry;
  } catch {
    return undefined; // None yet, replaced in the meantime, or edited by hand.
  }
}
