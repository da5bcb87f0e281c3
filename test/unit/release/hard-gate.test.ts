import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GATE_CHECKS } from '#src/composition/gate/checks.ts';
import { hardGate } from '#src/composition/release/hard-gate.ts';
import { expect, it, vi } from 'vitest';
import { commit, git } from '../constitution/checkout.ts';
import { check, gate, scratchCheckout } from '../gate/scratch.ts';

// It starts some processes.
vi.setConfig({ testTimeout: 60_000 });

it('[DATA-4] a report is good only where the commit that served before has a tag, by which its gate found it', async () => {
  const root = await scratchCheckout({ '.gitignore': 'node_modules\ngate.json\n' });
  const base = await git(root, 'rev-parse', 'HEAD');
  await commit(root);
  const table = [check('previous-release', '', { takesBase: true })];
  const report = join(root, 'gate.json');
  const made = await gate(root, { table });
  await writeFile(report, JSON.stringify(made));
  const { sha } = made;
  const { signal } = new AbortController();
  const request = { root, sha, env: 'prod', strict: false, environment: {}, progress: () => {} } as const;
  const accepted = async (on: string | null) =>
    await hardGate({ ...request, table, report, base: on }, signal);

  await expect(accepted(base)).rejects.toThrow(`tag ${base} as v…`);
  expect(await accepted(null)).toMatchObject({ passed: true });
  await git(root, 'tag', 'v1.0.0', base);
  expect(await accepted(base)).toMatchObject({ passed: true });
  expect(GATE_CHECKS.filter(({ takesBase }) => takesBase)).toHaveLength(1);
});
