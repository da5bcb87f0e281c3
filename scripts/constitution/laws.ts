import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const PAGE = 'docs/constitution.md';

export interface Law {
  readonly id: string;
  readonly text: string;
  /** Why this project does not hold itself to the law yet. */
  readonly notAdopted: string | undefined;
}

export interface Amendment {
  readonly version: string;
  /** ISO date. */
  readonly date: string;
  readonly approvers: readonly string[];
}

export interface Constitution {
  readonly version: string;
  /** ISO date of the last audit. */
  readonly audited: string;
  readonly laws: readonly Law[];
  /** The change log, newest first. */
  readonly amendments: readonly Amendment[];
}

const LAW = /^- \*\*(?<id>[A-Z][A-Z0-9]*-\d+)\*\* (?<text>.+)$(?:\n {2}_Not adopted: (?<reason>.+)_$)?/gm;
const HEAD = /^Version (?<version>\d+\.\d+\.\d+)\. Last audit: (?<audited>\d{4}-\d\d-\d\d)\.$/m;
const AMENDMENT = /^\| (?<version>\d+\.\d+\.\d+) +\| (?<date>\d{4}-\d\d-\d\d) +\| (?<approvers>[^|]+?) +\|/gm;

export const readConstitution = (root: string): Constitution =>
  parseConstitution(readFileSync(join(root, PAGE), 'utf8'));

export function parseConstitution(page: string): Constitution {
  const { version, audited } = HEAD.exec(page)?.groups ?? {};
  if (version === undefined || audited === undefined) {
    throw new Error(`${PAGE} has no line "Version 1.2.3. Last audit: 2026-01-31."`);
  }
  return {
    version,
    audited,
    laws: [...page.matchAll(LAW)].map(({ groups }) => ({
      id: groups?.['id'] ?? '',
      text: groups?.['text'] ?? '',
      notAdopted: groups?.['reason'],
    })),
    amendments: [...page.matchAll(AMENDMENT)].map(({ groups }) => ({
      version: groups?.['version'] ?? '',
      date: groups?.['date'] ?? '',
      approvers: groups?.['approvers']?.split(', ') ?? [],
    })),
  };
}

/** The ids that a title names: `[AV-1] [SEC-3] …`. */
export const lawsNamedIn = (title: string): string[] =>
  [...title.matchAll(/\[([A-Z][A-Z0-9]*-\d+)\]/g)].map(([, id = '']) => id);
