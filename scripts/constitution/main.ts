import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { lastReleases } from '../contract/releases.ts';
import { amendmentFaults, logFaults } from './amendments.ts';
import { collectEnforcements } from './enforcements.ts';
import { PAGE, parseConstitution, readConstitution } from './laws.ts';
import { UsageError, readOptions } from './options.ts';
import { prove } from './prove.ts';
import { describeLaws, summaryOf } from './report.ts';
import { readResults } from './results.ts';
import { review } from './review.ts';
import { readSabotages, sabotageFaults, sampleOf } from './sabotage.ts';
import { readWaivers } from './waivers.ts';

const DAY_MS = 86_400_000;

type Options = ReturnType<typeof readOptions>;

const root = process.cwd();
const today = new Date().toISOString().slice(0, 10);
const run = promisify(execFile);
const git = async (...options: string[]): Promise<string> =>
  (await run('git', options, { cwd: root })).stdout.trim();

/** Proves laws. @returns whether every sabotage was noticed */
async function proveLaws({ laws, sample, json }: Options): Promise<boolean> {
  const all = readSabotages(root);
  const unknown = laws.filter((law) => !all.some((sabotage) => sabotage.law === law));
  if (unknown.length > 0) throw new UsageError(`test/sabotage has none of ${unknown.join(', ')}.`);
  const asked = laws.length > 0 ? all.filter(({ law }) => laws.includes(law)) : all;
  const day = Math.floor(Date.parse(today) / DAY_MS);
  const chosen = sample === undefined ? asked : sampleOf(asked, Number(sample), day);
  const faults = await prove(root, chosen, (law, fault) => {
    if (!json) console.log(fault ?? `${law}: its sabotage was noticed`);
  });
  if (json) console.log(JSON.stringify({ laws: chosen.map(({ law }) => law), faults }, null, 2));
  return faults.length === 0;
}

/** Reviews all laws. @returns whether none is broken */
async function reviewLaws({ gate, strict, json, quiet }: Options): Promise<boolean> {
  const constitution = readConstitution(root);
  const enforcements = collectEnforcements(root);
  const results = readResults(root);
  const isOfCommit = results?.commit === (await git('rev-parse', 'HEAD'));
  const resultsHold = isOfCommit && (await git('status', '--porcelain')) === '';
  const waivers = readWaivers(root);
  const reviewed = review({ constitution, enforcements, waivers, results, resultsHold, today });
  const { laws, warnings } = reviewed;
  const faults = [
    ...reviewed.faults,
    ...sabotageFaults(root, readSabotages(root), constitution.laws, enforcements),
    ...logFaults(constitution),
    ...(await faultsSinceRelease()),
    ...(gate && !resultsHold ? ['.ci/run has not run on these files.'] : []),
    ...(strict ? warnings : []),
  ];

  const { version, audited } = constitution;
  if (json) {
    console.log(
      JSON.stringify({ version, audited, commit: results?.commit, laws, warnings, faults }, null, 2),
    );
    return faults.length === 0;
  }
  if (!quiet) console.log(describeLaws(laws));
  for (const warning of warnings) console.log(`warning: ${warning}`);
  for (const fault of faults) console.log(`fault: ${fault}`);
  console.log(`Constitution ${version}: ${summaryOf(laws)}; ${faults.length} faults.`);
  return faults.length === 0;
}

async function faultsSinceRelease(): Promise<string[]> {
  const current = readConstitution(root);
  const releases = await lastReleases(root, PAGE);
  return releases.flatMap(({ text }) =>
    text === undefined ? [] : amendmentFaults(parseConstitution(text), current),
  );
}

try {
  const options = readOptions(process.argv.slice(2));
  const isKept = await (options.prove ? proveLaws(options) : reviewLaws(options));
  process.exitCode = isKept ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
