import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GateCheck } from '#src/application/gate/check.ts';
import { type GateRequest, gateReport } from '#src/composition/gate/run.ts';
import { afterAll, vi } from 'vitest';
import { checkout } from '../constitution/checkout.ts';

/** Gates that failed leave what was printed there. */
const temporary = mkdtempSync(join(tmpdir(), 'gates-'));
vi.stubEnv('TMPDIR', temporary);
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(temporary, { recursive: true });
});

const FILES = {
  'package-lock.json': '{}',
  'openapi/openapi.json': '{}',
  'migrations/1.up.sql': 'select 1;',
};

/** @param programs files that can be run */
export async function scratchCheckout(
  files: Readonly<Record<string, string>> = {},
  programs: readonly string[] = [],
): Promise<string> {
  const root = await checkout({ ...FILES, ...files });
  for (const program of programs) chmodSync(join(root, program), 0o755);
  return root;
}

/** A check that is this program of Node. */
export const check = (name: string, program: string, details: Partial<GateCheck> = {}): GateCheck => ({
  name,
  holds: `${name} holds`,
  command: [process.execPath, '--eval', program],
  environments: ['dev', 'staging', 'prod'],
  verdict: 'exit code',
  timeoutMs: 20_000,
  ...details,
});

export const gate = async (root: string, request: Partial<GateRequest>) =>
  await gateReport({
    root,
    env: 'prod',
    strict: false,
    environment: { PATH: process.env['PATH'] },
    signal: new AbortController().signal,
    progress: () => {},
    ...request,
  });
