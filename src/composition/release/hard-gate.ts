import { readFile } from 'node:fs/promises';
import type { GateRecord } from '#src/application/release/deployment.ts';
import { acceptedGate, gateRecordOf } from '#src/application/release/gate-report.ts';
import { checksOf } from '../gate/checks.ts';
import { hasReleaseTag, hashesOf } from '../gate/checkout.ts';
import { type GateRequest, gateReport } from '../gate/run.ts';

type Gate = Omit<GateRequest, 'signal' | 'releasing'> & {
  readonly sha: string;
  /** Of a gate of before. */
  readonly report: string | undefined;
};

/** The gate as it is in a release, or its report of the last hour. */
export async function hardGate({ sha, report, ...gate }: Gate, signal: AbortSignal): Promise<GateRecord> {
  if (report === undefined) return gateRecordOf(await gateReport({ ...gate, releasing: true, signal }));
  const given: unknown = JSON.parse(await readFile(report, 'utf8'));
  const table = checksOf(gate.env, gate, gate.table);
  if (gate.base && table.some(({ takesBase }) => takesBase) && !(await hasReleaseTag(gate.root, gate.base)))
    throw new Error(
      `The gate of the report did not know the release before (DATA-4): tag ${gate.base} as v… and go through the gate again, or release without --gate-report.`,
    );
  const checks = table.map(({ name }) => name);
  return acceptedGate(given, { ...gate, sha, checks, hashes: hashesOf(gate.root) }, Date.now());
}
