/** `hard` decides about readiness, `soft` is only shown. */
export interface DependencyCheck {
  readonly name: string;
  readonly kind: 'hard' | 'soft';
  /** Fulfils when the dependency works, rejects when it does not. */
  check(signal: AbortSignal): Promise<void>;
}

export type ServiceState = 'ok' | 'degraded' | 'unavailable';

export interface Readiness {
  readonly status: 'ready' | 'not_ready';
  readonly services: Readonly<Record<string, ServiceState>>;
}

interface Options {
  /** Read anew at every probe. A name may stand for several connections: it is as well as the worst of them. */
  readonly checks: readonly DependencyCheck[];
  readonly timeoutMs: number;
  /** Called when readiness changes, with what failed: once at the start and once at the end of an outage. */
  readonly onChange: (readiness: Readiness, failures: ReadonlyMap<string, unknown>) => void;
  readonly now?: () => number;
}

const CACHE_MS = 1000;
const SEVERITY: Readonly<Record<ServiceState, number>> = { ok: 0, degraded: 1, unavailable: 2 };

export type ReadinessProbe = ReturnType<typeof makeReadiness>;

/** Concurrent probes share one check, an answer is kept for a second, and shutdown ends readiness at once (AV-2). */
export function makeReadiness({ checks, timeoutMs, onChange, now = Date.now }: Options) {
  let stopping = false;
  let current: Promise<Readiness> | undefined;
  let checkedAt = -Infinity;
  let last: Readiness['status'] = 'ready';

  async function run(): Promise<Readiness> {
    const failures = new Map<string, unknown>();
    const states = await Promise.all(
      checks.map(async ({ name, kind, check }): Promise<[string, ServiceState]> => {
        try {
          await within(timeoutMs, check);
          return [name, 'ok'];
        } catch (error) {
          failures.set(name, error);
          return [name, kind === 'hard' ? 'unavailable' : 'degraded'];
        }
      }),
    );
    const status = states.some(([, state]) => state === 'unavailable') ? 'not_ready' : 'ready';
    const worstLast = states.toSorted(([, a], [, b]) => SEVERITY[a] - SEVERITY[b]);
    const readiness: Readiness = { status, services: Object.fromEntries(worstLast) };
    if (status !== last) {
      last = status;
      onChange(readiness, failures);
    }
    return readiness;
  }

  return {
    async probe(): Promise<Readiness> {
      if (stopping) return { status: 'not_ready', services: {} };
      if (!current || now() - checkedAt >= CACHE_MS) {
        checkedAt = Infinity;
        current = run().finally(() => {
          checkedAt = now();
        });
      }
      return await current;
    },
    stop(): void {
      stopping = true;
    },
    stopping: (): boolean => stopping,
  };
}

async function within(timeoutMs: number, check: DependencyCheck['check']): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const late = Promise.withResolvers<never>();
  signal.addEventListener(
    'abort',
    () => {
      late.reject(new Error(`No answer within ${timeoutMs} ms.`));
    },
    { once: true },
  );
  await Promise.race([check(signal), late.promise]);
}
