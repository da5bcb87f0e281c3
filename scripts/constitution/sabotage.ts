import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Enforcement } from './enforcements.ts';
import type { Law } from './laws.ts';

/** A small change that breaks a law, and the test that has to notice. */
const sabotage = z.strictObject({
  /** What the change does, for whoever reads that it went unnoticed. */
  breaks: z.string(),
  file: z.string(),
  /** Occurs exactly once in the file. */
  find: z.string().min(1),
  replace: z.string(),
  /** The file of tests, of which those that name the law have to fail. */
  test: z.string(),
});
/** One of each way in which a law is broken. */
const file = z.record(z.string(), z.union([sabotage, z.array(sabotage).min(2)]));

export type Sabotage = z.infer<typeof sabotage> & { readonly law: string };

/** Of test/sabotage/*.yaml, in the order of the laws' names. */
export function readSabotages(root: string): Sabotage[] {
  return globSync('test/sabotage/*.yaml', { cwd: root })
    .toSorted()
    .flatMap((path) => {
      const read = file.safeParse(parse(readFileSync(join(root, path), 'utf8')));
      if (!read.success) throw new Error(`${path}: ${z.prettifyError(read.error)}`);
      return Object.entries(read.data).flatMap(([law, own]) =>
        [own].flat().map((one) => Object.assign(one, { law })),
      );
    });
}

/** Laws that are proven: availability, security, queue. */
const PROVEN = /^(?:AV|SEC|Q)-/;

/** What is wrong with the sabotages, without running any. */
export function sabotageFaults(
  root: string,
  sabotages: readonly Sabotage[],
  laws: readonly Law[],
  enforcements: readonly Enforcement[],
): string[] {
  const proven = new Set(sabotages.map(({ law }) => law));
  const adopted = laws.filter(({ notAdopted }) => notAdopted === undefined).map(({ id }) => id);
  return [
    ...adopted
      .filter((id) => PROVEN.test(id) && !proven.has(id))
      .map((id) => `${id} has no sabotage in test/sabotage: nothing proves that its checks notice.`),
    ...sabotages.flatMap(({ law, file, find, replace, test }) => {
      const path = join(root, file);
      const times = existsSync(path) ? readFileSync(path, 'utf8').split(find).length - 1 : 0;
      return [
        ...(adopted.includes(law) ? [] : [`test/sabotage: ${law} is no adopted law.`]),
        ...(times === 1 && find !== replace
          ? []
          : [`test/sabotage: the text to find for ${law} occurs ${times} times in ${file}, not once.`]),
        ...(enforcements.some((enforcement) => enforcement.file === test && enforcement.laws.includes(law))
          ? []
          : [`test/sabotage: no title in ${test} names ${law}.`]),
      ];
    }),
  ];
}

/** As many of the cheap ones, which need no server, as asked; others every day, all of them in time. */
export function sampleOf(sabotages: readonly Sabotage[], size: number, day: number): Sabotage[] {
  const cheap = sabotages.filter(({ test }) => test.startsWith('test/unit/'));
  return Array.from({ length: Math.min(size, cheap.length) }, (_, index) =>
    cheap.at((day * size + index) % cheap.length),
  ).filter((chosen) => chosen !== undefined);
}
