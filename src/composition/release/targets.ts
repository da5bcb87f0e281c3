import { resolve } from 'node:path';
import { gitopsTarget } from '#src/adapters/outbound/release-target/gitops.ts';
import { helmTarget } from '#src/adapters/outbound/release-target/helm.ts';
import {
  type ProcessOptions,
  builtService,
  placeOfProcess,
  processTarget,
} from '#src/adapters/outbound/release-target/process.ts';
import type { ReadySha } from '#src/adapters/outbound/release-target/until-ready.ts';
import type { ReleaseTarget } from '#src/application/release/ports.ts';
import { lookAt } from '#src/application/release/watch-sample.ts';
import type { HttpCaller } from '#src/application/smoke/ports.ts';

export interface Place {
  readonly url: string;
  readonly opsUrl: string | undefined;
}

/** A target as the command line describes it. */
export interface TargetOf {
  /** By it the log tells whether somebody goes on with another one. */
  readonly name: string;
  readonly open: (http: HttpCaller) => ReleaseTarget;
  /** Where the service is to be looked at. */
  readonly place: () => Promise<Place>;
  /** Its metrics, too. */
  readonly hasMetrics: boolean;
}

/** As much as the log takes. */
const nameOf = (text: string): string => text.slice(0, 100);

const readyShaBy =
  (http: HttpCaller): ReadySha =>
  async (url) => {
    const { ready, sha } = await lookAt(http, { url, opsUrl: undefined, opsToken: undefined });
    return ready ? (sha ?? undefined) : undefined;
  };

const START_TIMEOUT_MS = 60_000;
/** Above the time that the service has for its shutdown. */
const GRACE_MS = 50_000;

export function localProcesses(
  folder: string,
  port: number,
  commandOf: ProcessOptions['commandOf'] = builtService,
): TargetOf {
  const options = {
    folder: resolve(folder),
    commandOf,
    port,
    readyTimeoutMs: START_TIMEOUT_MS,
    graceMs: GRACE_MS,
  };
  return {
    name: nameOf(`process in ${options.folder}`),
    open: (http) => processTarget({ ...options, readySha: readyShaBy(http) }),
    place: async () => await placeOfProcess(options.folder),
    hasMetrics: true,
  };
}

type Helm = Parameters<typeof helmTarget>[0];

export const helmRelease = (options: Helm, place: Place): TargetOf => ({
  name: nameOf(`helm ${options.name} in ${options.namespace}`),
  open: () => helmTarget(options),
  place: async () => await Promise.resolve(place),
  hasMetrics: place.opsUrl !== undefined,
});

type Gitops = Omit<Parameters<typeof gitopsTarget>[0], 'readySha' | 'url' | 'sightings'>;

/** With one replica of two from before, one in a million. */
const SIGHTINGS = 20;

export const configRepository = (options: Gitops, place: Place): TargetOf => ({
  name: nameOf(`gitops ${options.branch}:${options.file} of ${options.repository}`),
  open: (http) =>
    gitopsTarget({ ...options, url: place.url, sightings: SIGHTINGS, readySha: readyShaBy(http) }),
  place: async () => await Promise.resolve(place),
  hasMetrics: place.opsUrl !== undefined,
});
