import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseModule } from './modules.ts';

const LIFE_DAYS = 30;
const DAY_MS = 86_400_000;
const TAG = 'experiment.yaml';

/** What an experiment is tagged with. */
const tag = z.strictObject({
  owner: z.string().min(1),
  /** What is to be found out. */
  question: z.string().min(1),
  started: z.iso.date(),
});

/** ARC-8: experiments that are not tagged or have expired, and production code that needs one. @param today ISO date */
export const experimentFaults = (root: string, today: string): string[] => [
  ...globSync('experimental/*', { cwd: root }).flatMap((folder) => tagFault(root, folder, today) ?? []),
  ...globSync('{src,dev,scripts,bench}/**/*.{ts,js}', { cwd: root, exclude: ['**/node_modules/**'] }).flatMap(
    (path) =>
      parseModule(path, readFileSync(join(root, path), 'utf8'))
        .specifiers.filter((specifier) => /(?:^|[#/])experimental\//.test(specifier ?? ''))
        .map((specifier) => `${path} imports ${specifier}: an experiment is imported by nothing.`),
  ),
];

function tagFault(root: string, folder: string, today: string): string | undefined {
  const [file] = globSync(`${folder}/${TAG}`, { cwd: root });
  if (file === undefined) return `${folder} has no ${TAG} with owner, question and started.`;
  const { data, error } = tag.safeParse(parse(readFileSync(join(root, file), 'utf8')));
  if (error) return `${file}: ${z.prettifyError(error)}`;
  const days = (Date.parse(today) - Date.parse(data.started)) / DAY_MS;
  if (days < 0) return `${file}: it starts in the future.`;
  return days > LIFE_DAYS
    ? `${folder} has expired after ${LIFE_DAYS} days: promote or remove it.`
    : undefined;
}
