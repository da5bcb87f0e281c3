import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { giveAway, unprivileged } from './unprivileged.ts';

export interface GuardedCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Working folder; the output goes to `<name>.log` in it. */
  readonly directory: string;
  readonly name: string;
  /** Asks for an orderly end. CONT does nothing, for a program that needs no signal to know. */
  readonly stopSignal: 'INT' | 'TERM' | 'CONT';
  /** Ends it when it has not ended 3 s after that. */
  readonly forceSignal: 'QUIT' | 'KILL';
}

export interface Guarded {
  readonly log: string;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Waits for end of file on its standard input, which comes when the owner closes the pipe or dies, however it dies. A
 * shell without job control points a background command's input to /dev/null, hence descriptor 9. Once it counts, it is
 * waited for and not killed: its last sleep would outlive the guardian.
 */
const GUARDIAN = `
stop=$1 force=$2
shift 2
exec 9<&0
"$@" 9<&- & child=$!
{
  read -r _ <&9
  trap '' TERM
  kill -s "$stop" "$child"
  i=0
  while kill -0 "$child"; do
    if [ $i -ge 30 ]; then kill -s "$force" "$child"; fi
    sleep 0.1
    i=$((i + 1))
  done
} 2>/dev/null & watch=$!
exec 2>/dev/null
wait "$child"
code=$?
kill "$watch"
wait "$watch"
exit $code
`;

type Signals = Pick<GuardedCommand, 'stopSignal' | 'forceSignal'>;

/**
 * The command line that runs a program under a guardian: a small shell script, which stops the program as soon as its
 * owner closes the script's standard input or is gone, and then exits like the program (128 + n for signal n). To be
 * spawned detached, in a session of its own, so that Ctrl-C in the owner's terminal reaches neither.
 */
export const guarded = (
  { stopSignal, forceSignal }: Signals,
  program: string,
  args: readonly string[],
): readonly ['sh', string[]] => [
  'sh',
  ['-c', GUARDIAN, 'guardian', stopSignal, forceSignal, program, ...args],
];

/** Runs a server that never outlives its owner, this process. */
export function spawnGuarded(command: GuardedCommand): Guarded {
  const log = join(command.directory, `${command.name}.log`);
  const output = openSync(log, 'w', 0o600);
  giveAway(log);
  const guardian = spawn(...guarded(command, command.program, command.args), {
    ...unprivileged,
    cwd: command.directory,
    env: command.env,
    detached: true,
    stdio: ['pipe', output, output],
  });
  closeSync(output);
  const ended = new Promise<void>((resolve) => {
    guardian.once('error', () => resolve());
    guardian.once('exit', () => resolve());
  });
  return {
    log,
    ended,
    stop: async () => {
      guardian.stdin?.end();
      await ended;
    },
  };
}
