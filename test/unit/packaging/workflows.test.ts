import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';

interface Workflow {
  readonly permissions: unknown;
  readonly concurrency: unknown;
  readonly env?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}
interface Job {
  readonly needs?: readonly string[];
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
  expect(scans.map((scan) => String(scan.with?.['scan-type'])).toSorted()).toEqual([
    'config',
    'fs',
    'image',
    'image',
  ]);
  for (const scan of scans) {
    expect(scan.with).toMatchObject({ severity: expect.stringContaining('CRITICAL'), 'exit-code': '1' });
  }
});

it('[SEC-17] no workflow takes silence of the registry for dependencies without advisories', () => {
  const audited = workflows.filter(({ jobs }) =>
    Object.values(jobs).some(({ steps }) =>
      steps.some(({ run }) => run === '.ci/run audit' || run === '.ci/run'),
    ),
  );
  expect(audited.length).toBeGreaterThan(1);
  for (const { env } of audited) expect(env).toMatchObject({ REQUIRE_AUDIT: '1' });
});

/** Of the gate, that a job runs. */
const partsOf = ({ steps }: Job): string[] =>
  steps.flatMap(({ run = '' }) => /^\.ci\/run (.+)$/.exec(run)?.[1] ?? []);

describe('the workflow ci', () => {
  const { jobs } = parse(readFileSync(`${folder}/ci.yml`, 'utf8')) as Workflow;

  it('runs every part of the gate, and checks nothing that the gate does not', () => {
    const gate = readFileSync(`${root}/.ci/run`, 'utf8');
    const parts = [...gate.matchAll(/^(?:step|tests) .+ \.ci\/(\S+)$/gm)].map(([, part = '']) => part);
    expect(parts.length).toBeGreaterThan(10);
    expect([...new Set(Object.values(jobs).flatMap(partsOf))].toSorted()).toEqual(parts.toSorted());
  });

  it('[DOC-3] judges the constitution by the results of all jobs that run parts of the gate', () => {
    const { constitution, ...others } = jobs;
    const running = Object.entries(others).filter(([, job]) => partsOf(job).length > 0);
    expect(constitution?.needs).toEqual(running.map(([name]) => name));
    for (const [name, { steps }] of running) {
      expect(steps.at(-1)).toMatchObject({
        uses: expect.stringMatching(/^actions\/upload-artifact@/),
        with: { name: `results-${name}`, path: '.dragonfly/results', 'if-no-files-found': 'error' },
      });
    }
    expect(constitution?.steps.slice(-2)).toMatchObject([
      { with: { pattern: 'results-*', path: '.dragonfly/results', 'merge-multiple': true } },
      { run: '.ci/run constitution' },
    ]);
  });
});

describe('the parts of the gate', () => {
  /** Whoever runs this in a hook of Git has variables that point at that repository. */
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));

  function gate() {
    const folder = mkdtempSync(`${tmpdir()}/gate-parts-`);
    onTestFinished(() => rmSync(folder, { recursive: true }));
    mkdirSync(`${folder}/.ci`);
    cpSync(`${root}/.ci/run`, `${folder}/.ci/run`);
    for (const part of ['audit', 'helm', 'unchanged'])
      writeFileSync(`${folder}/.ci/${part}`, '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(`${folder}/.gitignore`, '.dragonfly/\n');
    const git = (...args: string[]) =>
      spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
        cwd: folder,
        env,
      });
    const commit = () => git('commit', '--quiet', '--allow-empty', '--message', 'A change');
    git('init', '--quiet');
    git('add', '.');
    commit();
    return {
      commit,
      run: (...parts: string[]) => spawnSync(`${folder}/.ci/run`, parts, { encoding: 'utf8', env }),
      results: () => globSync('*.tsv', { cwd: `${folder}/.dragonfly/results` }).toSorted(),
    };
  }

  it.each(['no-such-part', 'helm', 'audi.'])('are not %s', (part) => {
    const { run, results } = gate();
    const { status, stderr } = run(part);
    expect(stderr).toBe(`There is no part .ci/${part}.\n`);
    expect(status).toBe(2);
    expect(results()).toEqual([]);
  });

  it('keep their results beside each other, and none of another commit', () => {
    const { commit, run, results } = gate();
    const { status, stdout } = run('unchanged');
    expect(stdout).toContain('nothing left changed: 1 passed, 0 failed');
    expect(status).toBe(0);
    run('audit');
    expect(results()).toEqual(['audit.tsv', 'unchanged.tsv']);
    commit();
    run('audit');
    expect(results()).toEqual(['audit.tsv']);
  });
});

it('[TEST-3] the workflow nightly runs a million jobs under faults, fails with them, and keeps the report', () => {
  const { jobs } = parse(readFileSync(`${folder}/nightly.yml`, 'utf8')) as Workflow;
  const chaos = jobs['chaos']?.steps ?? [];
  const report = 'chaos.txt';
  expect(chaos.filter(({ run }) => run?.includes(`chaos -- --jobs 1000000 | tee ${report}`))).toMatchObject([
    { shell: 'bash' },
  ]);
  expect(chaos.at(-1)).toMatchObject({ if: 'always()', with: { path: report } });
});
