import { NotAttempted } from '#src/domain/jobs/failure.ts';
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleType } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { NoAnswer } from './no-answer.ts';

/** Failures in a row after which a host is left alone: enough that a single bad deploy or a lost packet does not count. */
const CONSECUTIVE_FAILURES = 5;
/** Then one delivery tries again. */
const OPEN_MS = 30_000;
/** Hosts whose state is remembered (ARC-3); the least recently used one is forgotten, which closes its circuit. */
const MAX_HOSTS = 1000;

interface Answer {
  readonly status: number;
}

/** One circuit a host (ARC-7). No answer and 5xx count against the host; whatever else went wrong does not. */
export function circuitBreakers() {
  const circuits = new LRUCache<string, ReturnType<typeof newCircuit>>({ max: MAX_HOSTS });

  return {
    /** @throws NotAttempted when the circuit of the host is open, and for how long */
    async execute<T extends Answer>(host: string, call: () => Promise<T>): Promise<T> {
      const circuit = circuits.get(host) ?? newCircuit();
      circuits.set(host, circuit);
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
