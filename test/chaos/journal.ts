import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/*
 * What a worker notes outside of the queue: an append-only file of its own, in which a line is as soon as it is written
 * and stays whatever becomes of the worker. `began|accepted <number of the job> <attempt> <milliseconds since 1970>`
 */
export interface Entry {
  readonly kind: 'began' | 'accepted';
  readonly n: number;
  readonly attempt: number;
  readonly atMs: number;
}

export function writeJournal(path: string) {
  const file = openSync(path, 'a', 0o600);
  return (kind: Entry['kind'], jobs: readonly { n: number; attempt: number }[]): void => {
    if (jobs.length === 0) return;
    const now = Date.now();
    writeSync(file, jobs.map(({ n, attempt }) => `${kind} ${n} ${attempt} ${now}\n`).join(''));
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
        const [kind, n, attempt, atMs] = line.split(' ');
        return { kind: kind as Entry['kind'], n: Number(n), attempt: Number(attempt), atMs: Number(atMs) };
      });
    },
    close(): void {
      closeSync(file);
    },
  };
}
