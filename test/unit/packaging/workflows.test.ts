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
  readonly steps: readonly { readonly run?: string }[];
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
