import { Counter, Gauge, type Registry } from 'prom-client';
import type { Permits } from './permits.ts';
import type { GuardedPermits } from './shared-permits.ts';
import { tally } from './tally.ts';

/** OBS-4: what the limiter decided, read when it is scraped, so that a request pays for an addition and no more. */
export function limiterMetrics(
  registry: Registry,
  all: ReadonlySet<Permits>,
  shared: GuardedPermits | undefined,
): void {
  const decided = new Counter({
    name: 'rate_limit_decisions_total',
    help: 'Requests that a limit admitted or refused.',
    labelNames: ['limit', 'decision'],
    registers: [registry],
    collect() {
      decided.reset();
      for (const { quota, decisions } of all) {
        for (const [decision, count] of Object.entries(decisions))
          decided.inc({ limit: quota.name, decision }, count);
      }
    },
  });
  if (shared) sharedMetrics(registry, shared);
}

const LEASES = {
  name: 'rate_limit_leases_total',
  help: 'Questions to the shared store of permits: answered, failed.',
  label: 'outcome',
};

function sharedMetrics(registry: Registry, shared: GuardedPermits): void {
  const registers = [registry];
  tally(registry, LEASES, shared.questions);
  const outages = new Counter({
    name: 'rate_limit_outages_total',
    help: 'How often the shared store of permits went away.',
    registers,
    collect() {
      outages.reset();
      outages.inc(shared.outages);
    },
  });
  const isShared = new Gauge({
    name: 'rate_limit_shared',
    help: '1 while limits hold for all replicas together, 0 in an outage of the shared store.',
    registers,
    collect() {
      isShared.set(Number(shared.isAvailable));
    },
  });
}
