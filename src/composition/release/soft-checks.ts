import { probeNotifications } from '#src/adapters/outbound/postgres/notification-probe.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import type { SoftCheck } from '#src/application/release/soft-gate.ts';
import { lookAt } from '#src/application/release/watch-sample.ts';
import type { HttpCaller } from '#src/application/smoke/ports.ts';
import type { Environment } from '#src/config/load.ts';
import type { Place } from './targets.ts';

interface Surroundings {
  readonly environment: Environment;
  readonly http: HttpCaller;
  /** Where the service answers, before the release. */
  readonly place: () => Promise<Place>;
  readonly opsToken: string | undefined;
}

/** Of the soft gate: HTTP edge, pooler, notifications, and what the watch will read. */
export const softChecks = ({ environment, http, place, opsToken }: Surroundings): SoftCheck[] => [
  {
    name: 'http-edge',
    async look() {
      const edge = new URL((await place()).url);
      const { status } = await http.call({ url: new URL('/health', edge).href });
      if (status !== 200) throw new Error(`${edge.href} answers ${status}.`);
      if (edge.protocol !== 'https:' && environment['DRAGONFLY_ENV'] !== 'dev')
        throw new Error(`${edge.href} has no TLS.`);
      return `${edge.href} answers`;
    },
  },
  {
    name: 'pooler',
    async look() {
      const database = { url: given(environment, 'DRAGONFLY_API_DATABASE_URL'), throughPooler: true };
      await withPool(database, 'dragonfly-soft-gate', async () => await Promise.resolve());
      return 'the database of the API answers';
    },
  },
  {
    name: 'notifications',
    async look() {
      const own = environment['DRAGONFLY_WORKER_LISTEN_URL'];
      if (own === 'none') throw new Error('Workers only poll: DRAGONFLY_WORKER_LISTEN_URL is none.');
      await probeNotifications(own || given(environment, 'DRAGONFLY_WORKER_DATABASE_URL'));
      return 'workers hear of jobs';
    },
  },
  {
    name: 'metrics',
    async look() {
      const { process } = await lookAt(http, { ...(await place()), opsToken });
      if (!process)
        throw new Error('The watch will see no errors: give --ops-url, and --ops-token-file where it asks.');
      return 'the watch can count errors';
    },
  },
];

function given(environment: Environment, name: string): string {
  const value = environment[name];
  if (value) return value;
  throw new Error(`Not looked at: give ${name}.`);
}
