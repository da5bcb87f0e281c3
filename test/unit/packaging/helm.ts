import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const CHART = fileURLToPath(new URL('../../../charts/dragonfly', import.meta.url));

export interface Named {
  readonly name: string;
}
export interface Container extends Named {
  readonly args: readonly string[];
  readonly env: readonly (Named & {
    readonly value?: string;
    readonly valueFrom?: {
      readonly secretKeyRef?: Named & { readonly key: string; readonly optional: boolean };
      readonly fieldRef?: { readonly fieldPath: string };
    };
  })[];
  readonly envFrom?: readonly unknown[];
  readonly [field: string]: unknown;
}
export interface PodSpec {
  readonly containers: readonly [Container];
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly [field: string]: unknown;
}
interface Template {
  readonly template: { readonly spec: PodSpec; readonly metadata: Manifest['metadata'] };
}
export interface Manifest {
  readonly kind: string;
  readonly metadata: Named & { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: Template & { readonly jobTemplate: { readonly spec: Template } };
  readonly data?: Readonly<Record<string, string>>;
  readonly automountServiceAccountToken?: boolean;
}

const run = (...args: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync(process.env['HELM'] ?? 'helm', args, { encoding: 'utf8' });

/** @throws Error when a missing helm is a failure, as a missing server is */
export function isHelmMissing(): boolean {
  const missing = run('version').status !== 0;
  if (missing && process.env['REQUIRE_SERVICES'] === '1') {
    throw new Error('REQUIRE_SERVICES=1, but there is no helm on PATH and none in HELM.');
  }
  return missing;
}

/** What helm says of the chart; empty when there is nothing to say. */
export function lint(): string {
  const { status, stdout, stderr } = run('lint', '--strict', CHART);
  return status === 0 ? '' : stdout + stderr;
}

/** The manifests of a release named dragonfly. @throws Error with what helm says */
export function render(...args: readonly string[]): Manifest[] {
  // Without a cluster helm assumes the oldest Kubernetes that it knows.
  const { status, stdout, stderr } = run('template', 'dragonfly', CHART, '--kube-version', '1.33.0', ...args);
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}
