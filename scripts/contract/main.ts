import { readFile } from 'node:fs/promises';
import { breakingChanges, overdueOperations } from './breaking-changes.ts';
import { parseContract } from './document.ts';
import { lintContract } from './lint.ts';
import { lastReleases } from './releases.ts';

/** API-1: the contract of the checkout is well made, and keeps what the last release promised. */
const PATH = 'openapi/openapi.json';

const source = await readFile(PATH, 'utf8');
const contract = parseContract(source);
const today = new Date().toISOString().slice(0, 10);
const faults = [...(await lintContract(source)), ...overdueOperations(contract, today)];
const releases = await lastReleases(process.cwd(), PATH);
for (const { tag, text } of releases) {
  if (text === undefined) continue;
  const broken = breakingChanges(parseContract(text), contract, today);
  faults.push(...broken.map((fault) => `${fault} (breaks ${tag})`));
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${PATH}: ${faults.length} faults`);
  process.exitCode = 1;
} else {
  const kept = releases.map(({ tag, text }) => (text === undefined ? `${tag} has no contract` : tag));
  console.log(
    `The contract is well made; compared with ${kept.join(', ') || 'nothing: there is no release yet'}.`,
  );
}
