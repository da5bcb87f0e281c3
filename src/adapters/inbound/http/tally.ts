import { Counter, type Registry } from 'prom-client';

interface Tally {
  readonly name: string;
  readonly help: string;
  readonly label: string;
}

/** A counter that reads these counts when it is scraped: a request pays for an addition and no more. */
export function tally(
  registry: Registry,
  { name, help, label }: Tally,
  counts: Readonly<Record<string, number>>,
): void {
  const counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      counter.reset();
      for (const [outcome, count] of Object.entries(counts)) counter.inc({ [label]: outcome }, count);
    },
  });
}
