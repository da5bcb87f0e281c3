import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { Span } from './facts.ts';

/*
 * What a worker notes outside of the queue: an append-only file of its own, in which a line is as soon as it is written
 * and stays whatever becomes of the worker: `began|accepted <number of the job> <attempt> <run> <time> <claim asked> <answered>`,
 * the times in milliseconds since 1970, those of the claim 0 for what was accepted.
 */
export interface Entry {
  readonly kind: 'began' | 'accepted';
  readonly n: number;
  readonly attempt: number;
  readonly run: string;
  readonly atMs: number;
  readonly claimed: Span;
}

export function writeJournal(path: string) {
  const file = openSync(path, 'a', 0o600);
  return (
    kind: Entry['kind'],
    jobs: readonly { n: number; attempt: number; run: string }[],
    { fromMs, toMs }: Span = { fromMs: 0, toMs: 0 },
  ): void => {
    if (jobs.length === 0) return;
    const now = Date.now();
    writeSync(
      file,
      jobs.map(({ n, attempt, run }) => `${kind} ${n} ${attempt} ${run} ${now} ${fromMs} ${toMs}\n`).join(''),
    );
  };
}

/** Reads on where it stopped, whole lines only. The file need not be there yet. */
export function readJournal(path: string) {
  const file = openSync(path, 'a+', 0o600);
  let [offset, rest] = [0, ''];
  return {
    read(): Entry[] {
      const piece = Buffer.alloc(fstatSync(file).size - offset);
      offset += readSync(file, piece, 0, piece.length, offset);
      const lines = (rest + piece.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      return lines.map((line): Entry => {
        const [kind, n, attempt, run = '', ...times] = line.split(' ');
        const [atMs = 0, fromMs = 0, toMs = 0] = times.map(Number);
        return {
          kind: kind as Entry['kind'],
          n: Number(n),
          attempt: Number(attempt),
          run,
          atMs,
          claimed: { fromMs, toMs },
        };
      });
    },
    close(): void {
      closeSync(file);
    },
  };
}
