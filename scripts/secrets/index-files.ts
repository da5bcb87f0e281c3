import { execFileSync } from 'node:child_process';

/** A file as the index of Git has it: what a commit would take, whatever the work tree has by now. */
export interface IndexFile {
  readonly path: string;
  readonly content: Buffer;
}

const git = (args: readonly string[], input = ''): Buffer =>
  execFileSync('git', args, { input, maxBuffer: Infinity });

const SUBMODULE = '160000';

/** The files that differ from the last commit, or all; what was deleted is in neither. */
export function indexFiles({ staged }: { staged: boolean }): IndexFile[] {
  const entries = (staged ? stagedEntries() : allEntries()).filter(({ mode }) => mode !== SUBMODULE);
  const contents = blobs(entries.map(({ hash }) => hash));
  return entries.map(({ path }, number) => ({ path, content: contents[number] ?? Buffer.alloc(0) }));
}

interface Entry {
  readonly mode: string;
  readonly hash: string;
  readonly path: string;
}

/** `<mode> <hash> <stage>\t<path>`, ended by a zero byte. */
const allEntries = (): Entry[] =>
  git(['ls-files', '--stage', '-z'])
    .toString()
    .split('\0')
    .slice(0, -1)
    .map((line) => {
      const [, mode = '', hash = '', path = ''] = /^(\d+) (\w+) \d\t(.+)$/s.exec(line) ?? [];
      return { mode, hash, path };
    });

/** `:<old mode> <mode> <old hash> <hash> <status>`, a zero byte, the path, a zero byte. */
function stagedEntries(): Entry[] {
  const fields = git(['diff', '--cached', '--raw', '-z', '--no-renames', '--no-abbrev', '--diff-filter=d'])
    .toString()
    .split('\0');
  return fields.flatMap((field, number) => {
    const [, mode, hash] = /^:\d+ (\d+) \w+ (\w+) [A-Z]$/.exec(field) ?? [];
    return mode === undefined || hash === undefined ? [] : { mode, hash, path: fields[number + 1] ?? '' };
  });
}

/** `<hash> blob <size>`, a line feed, the content, a line feed; in the order of the hashes. */
function blobs(hashes: readonly string[]): Buffer[] {
  const output = git(['cat-file', '--batch'], hashes.map((hash) => `${hash}\n`).join(''));
  let position = 0;
  return hashes.map(() => {
    const start = output.indexOf('\n', position) + 1;
    const size = Number(output.toString('latin1', position, start).trim().split(' ').at(-1));
    position = start + size + 1;
    return output.subarray(start, start + size);
  });
}
