import { Counter, type Registry } from 'prom-client';

/** A counter of so many outcomes, read when it is scraped: a request pays for an addition and no more. */
export function tally<Outcome extends string>(
  registry: Registry,
  { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
  outcomes: readonly Outcome[],
): Record<Outcome, number> {
  const counts = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  const counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      counter.reset();
      for (const outcome of outcomes) counter.inc({ [label]: outcome }, counts[outcome]);
    },
  });
  return counts;
}
