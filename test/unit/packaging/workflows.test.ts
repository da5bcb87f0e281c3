import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Workflow {
  readonly permissions: unknown;
  readonly concurrency: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}
interface Job {
  readonly 'timeout-minutes': unknown;
  readonly steps: readonly Step[];
}
interface Step {
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = `${root}/.github/workflows`;

describe.each(globSync('*.yml', { cwd: folder }))('the workflow %s', (file) => {
  const text = readFileSync(`${folder}/${file}`, 'utf8');
  const workflow = parse(text) as Workflow;

  it('[SEC-17] pins every action to a commit, with its version beside it', () => {
    const actions = text.split('\n').filter((line) => /\buses:/.test(line));
    expect(actions.length).toBeGreaterThan(0);
    for (const action of actions) expect(action).toMatch(/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('[SEC-17] gives no permission but to jobs that ask for it, and keeps no credentials', () => {
    expect(workflow.permissions).toEqual({});
    expect(text.match(/actions\/checkout@/g)?.length).toBe(text.match(/persist-credentials: false/g)?.length);
  });

  it('ends: every job has a time-out, and a newer push replaces an older one', () => {
    expect(workflow.concurrency).toBeDefined();
    for (const job of Object.values(workflow.jobs)) expect(job['timeout-minutes']).toBeTypeOf('number');
  });
});

const workflows = globSync('*.yml', { cwd: folder }).map(
  (file) => parse(readFileSync(`${folder}/${file}`, 'utf8')) as Workflow,
);
const steps = workflows.flatMap(({ jobs }) => Object.values(jobs)).flatMap((job) => job.steps);

it.each([
  ['secrets in the history', 'gitleaks/gitleaks-action'],
  ['faults of the code', 'github/codeql-action/analyze'],
  ['new dependencies', 'actions/dependency-review-action'],
  ['the recipe of the image', 'hadolint/hadolint-action'],
  ['the workflows', 'zizmorcore/zizmor-action'],
])('[SEC-17] the workflows look at %s', (_, action) => {
  expect(steps.filter(({ uses = '' }) => uses.startsWith(`${action}@`)).length).toBeGreaterThan(0);
});

it('[SEC-17] a severe vulnerability in the files, the configuration or the image fails', () => {
  const scans = steps.filter(({ uses = '' }) => uses.startsWith('aquasecurity/trivy-action@'));
  expect(scans.map((scan) => String(scan.with?.['scan-type'])).toSorted()).toEqual(['config', 'fs', 'image']);
  for (const scan of scans) {
    expect(scan.with).toMatchObject({ severity: expect.stringContaining('CRITICAL'), 'exit-code': '1' });
  }
});

it('[SEC-17] the workflow ci takes no silence of the registry for a dependency without advisories', () => {
  const { env } = parse(readFileSync(`${folder}/ci.yml`, 'utf8')) as { env: unknown };
  expect(env).toMatchObject({ REQUIRE_AUDIT: '1' });
});

it('the workflow ci runs every part of the gate, and checks nothing that the gate does not', () => {
  const { jobs } = parse(readFileSync(`${folder}/ci.yml`, 'utf8')) as Workflow;
  const commands = Object.values(jobs)
    .flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
    .filter((command) => !command.startsWith('docker '));
  const gate = readFileSync(`${root}/.ci/run`, 'utf8');
  const parts = [...gate.matchAll(/\.ci\/[a-z][a-z\d-]*/g)].map(([part]) => part);
  // The workflow gets its helm from an action.
  expect([...new Set(commands), '.ci/helm'].toSorted()).toEqual([...new Set(parts)].toSorted());
});
