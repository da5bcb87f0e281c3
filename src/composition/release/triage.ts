import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AcceptedAdvisory, acceptedAdvisories } from '#src/application/release/triage.ts';

/** Also read by .ci/audit, the check of the gate that scans. */
const FILE = '.ci/audit-exceptions.json';

/** The advisories that a checkout accepts. @throws Error when its list is not there, or makes no sense */
export async function acceptedIn(root: string): Promise<readonly AcceptedAdvisory[]> {
  try {
    return acceptedAdvisories.parse(JSON.parse(await readFile(join(root, FILE), 'utf8')));
  } catch (cause) {
    throw new Error(`There is no triage of advisories: ${FILE} cannot be read.`, { cause });
  }
}
