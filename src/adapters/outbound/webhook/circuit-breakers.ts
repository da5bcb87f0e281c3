import { NotAttempted } from '#src/domain/jobs/failure.ts';
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleType } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { NoAnswer } from './no-answer.ts';

/** Failures in a row after which a host is left alone: enough that a single bad deploy or a lost packet does not count. */
const CONSECUTIVE_FAILURES = 5;
/** Then one delivery tries again. */
const OPEN_MS = 30_000;
/** Circuits that are remembered (ARC-3); the least recently used one is forgotten, which closes it. */
const MAX_CIRCUITS = 10_000;

interface Answer {
  readonly status: number;
}

/** Whose deliveries go where. */
interface Circuit {
  readonly organizationId: string | null;
  readonly host: string;
}

/**
 * One circuit a host and organisation (ARC-7): many may deliver to one host, and nobody shall be able to close it to others. No answer
 * and 5xx count against the host; whatever else went wrong does not.
 */
export function circuitBreakers() {
  const circuits = new LRUCache<string, ReturnType<typeof newCircuit>>({ max: MAX_CIRCUITS });

  return {
    /** @throws NotAttempted when the circuit of the host is open, and for how long */
    async execute<T extends Answer>({ organizationId, host }: Circuit, call: () => Promise<T>): Promise<T> {
      const key = `${organizationId ?? ''} ${host}`;
      const circuit = circuits.get(key) ?? newCircuit();
      circuits.set(key, circuit);
      const waitMs = circuit.waitMs();
      if (waitMs > 0) {
        throw new NotAttempted(
          `${host} failed ${CONSECUTIVE_FAILURES} times in a row and is left alone.`,
          waitMs / 1000,
        );
      }
      return await circuit.policy.execute(call);
    },
  };
}

function newCircuit() {
  let openUntil = 0;
  const policy = circuitBreaker(
    handleType(NoAnswer).orWhenResult((answer) => (answer as Answer).status >= 500),
    { halfOpenAfter: OPEN_MS, breaker: new ConsecutiveBreaker(CONSECUTIVE_FAILURES) },
  );
  policy.onBreak(() => {
    openUntil = Date.now() + OPEN_MS;
  });
  return {
    policy,
    /** While one call probes a half-open circuit, cockatiel would let the others wait for it, each in a job's slot. */
    waitMs: (): number => (policy.state === CircuitState.HalfOpen ? OPEN_MS : openUntil - Date.now()),
  };
}
