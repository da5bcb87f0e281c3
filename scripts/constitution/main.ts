import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { lastReleases } from '../contract/releases.ts';
import { amendmentFaults } from './amendments.ts';
import { collectEnforcements } from './enforcements.ts';
import { PAGE, parseConstitution } from './laws.ts';
import { prove } from './prove.ts';
import { readResults } from './results.ts';
import { describeLaws, summaryOf } from './report.ts';
import { review } from './review.ts';
import { readSabotages, sabotageFaults, sampleOf } from './sabotage.ts';
import { readWaivers } from './waivers.ts';

const USAGE = `Usage: dragonfly constitution [--json] [--quiet] [--strict] [--gate]
       dragonfly constitution --prove [--sample N] [LAW…]
Law by law what enforces it and what became of that in the last run of .ci/run. Exit code 1 when a law is broken.
  --gate     every enforcement must have passed in a run of .ci/run on these very files
  --strict   a warning is a fault
  --quiet    only what is wrong
  --prove    sabotage a copy of the checkout and see that the checks notice: of each law that has a sabotage,
             of the laws named, or of N laws that change from day to day`;

const root = process.cwd();
const today = new Date().toISOString().slice(0, 10);
const run = promisify(execFile);
const git = async (...options: string[]): Promise<string> =>
  (await run('git', options, { cwd: root })).stdout.trim();

const options = readOptions();
const page = parseConstitution(await readFile(join(root, PAGE), 'utf8'));
const enforcements = collectEnforcements(root);
const sabotages = readSabotages(root);
await (options.prove ? proveLaws() : reviewLaws());

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        gate: { type: 'boolean', default: false },
        prove: { type: 'boolean', default: false },
        sample: { type: 'string' },
      },
    });
    const isSample = values.sample === undefined || /^[1-9]\d?$/.test(values.sample);
    if (isSample && (values.prove || (positionals.length === 0 && values.sample === undefined))) {
      return { ...values, laws: positionals };
    }
  } catch {
    // An option that is not known: the usage says which are.
  }
  console.error(USAGE);
  process.exit(2);
}

async function proveLaws(): Promise<void> {
  const unknown = options.laws.filter((law) => !sabotages.some((sabotage) => sabotage.law === law));
  if (unknown.length > 0) {
    console.error(`No sabotage of ${unknown.join(', ')} is in test/sabotage.`);
    process.exit(2);
  }
  const asked =
    options.laws.length > 0 ? sabotages.filter(({ law }) => options.laws.includes(law)) : sabotages;
  const day = Math.floor(Date.parse(today) / 86_400_000);
  const chosen = options.sample === undefined ? asked : sampleOf(asked, Number(options.sample), day);
  const faults = await prove(root, chosen, (law, fault) => {
    if (!options.json) console.log(fault ?? `${law}: its sabotage was noticed`);
  });
  if (options.json) console.log(JSON.stringify({ proven: chosen.map(({ law }) => law), faults }, null, 2));
  process.exitCode = faults.length > 0 ? 1 : 0;
}

async function reviewLaws(): Promise<void> {
  const results = readResults(root);
  const resultsHold =
    results?.commit === (await git('rev-parse', 'HEAD')) && !(await git('status', '--porcelain'));
  const found = review({
    constitution: page,
    enforcements,
    waivers: readWaivers(root),
    results,
    resultsHold,
    today,
  });
  const faults = [
    ...found.faults,
    ...sabotageFaults(root, sabotages, page.laws, enforcements),
    ...(await faultsSinceRelease()),
    ...(options.gate && !resultsHold ? ['.ci/run has not run on these files.'] : []),
    ...(options.strict ? found.warnings : []),
  ];
  const complete = { ...found, faults };
  if (options.json) {
    const { version, audited } = page;
    console.log(JSON.stringify({ version, audited, commit: results?.commit, ...complete }, null, 2));
  } else {
    if (!options.quiet) console.log(describeLaws(complete));
    for (const warning of found.warnings) console.log(`warning: ${warning}`);
    for (const fault of faults) console.log(`fault: ${fault}`);
    console.log(`Constitution ${page.version}: ${summaryOf(complete)}`);
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
}

async function faultsSinceRelease(): Promise<string[]> {
  const releases = await lastReleases(root, PAGE);
  return releases.flatMap(({ text }) =>
    text === undefined ? [] : amendmentFaults(parseConstitution(text), page),
  );
}
