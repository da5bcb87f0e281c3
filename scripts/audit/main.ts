import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { acceptedAdvisories } from '#src/application/release/triage.ts';
import { advisoriesOf } from './report.ts';
import { faults } from './verdict.ts';

/**
 * SEC-17: no known hole in a dependency, but for a time and with a reason. A registry that does not answer (a mirror without
 * this endpoint, no network) is no good news: the check fails with REQUIRE_AUDIT=1, as in the workflow, and else ends with
 * NOT_CHECKED, which the gate counts neither as passed nor as failed.
 */
const EXCEPTIONS = '.ci/audit-exceptions.json';
const NOT_CHECKED = 77;

/** `npm audit` fails when it finds something, so only its report counts. */
const audit = (...args: readonly string[]) =>
  advisoriesOf(
    spawnSync('npm', ['audit', '--json', ...args], { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout,
  );

const exceptions = acceptedAdvisories.parse(JSON.parse(readFileSync(EXCEPTIONS, 'utf8')));
const all = audit();
const production = audit('--omit=dev');

if (all === undefined || production === undefined) {
  console.error('NOT CHECKED: the registry gave no advisories. Nothing is known about the dependencies.');
  process.exitCode = process.env['REQUIRE_AUDIT'] === '1' ? 1 : NOT_CHECKED;
} else {
  const found = faults({ all, production }, exceptions, new Date().toISOString().slice(0, 10));
  for (const fault of found) console.error(fault);
  if (found.length > 0) {
    console.error(`What to do: docs/runbooks/security-incident.md, "A dependency has an advisory".`);
    process.exitCode = 1;
  } else console.log(`No advisory blocks; ${all.length} known, ${exceptions.length} excepted for a time.`);
}
