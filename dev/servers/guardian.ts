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
  /** Asks for an orderly end. */
  readonly stopSignal: 'INT' | 'TERM';
  /** Ends it when it has not ended 4 s after that. */
  readonly forceSignal: 'QUIT' | 'KILL';
}

export interface Guarded {
  readonly log: string;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Waits for end of file on its standard input, which comes when the owner closes the pipe or dies, however it dies. A
 * shell without job control points a background command's input to /dev/null, hence descriptor 3.
 */
const GUARDIAN = `
stop=$1 force=$2
shift 2
exec 3<&0
"$@" 3<&- & server=$!
{
  read -r _ <&3
  kill -s "$stop" "$server"
  i=0; while [ $i -lt 40 ]; do sleep 0.1; i=$((i + 1)); done
  kill -s "$force" "$server"
} 2>/dev/null & watch=$!
wait "$server"
kill "$watch" 2>/dev/null
`;

/**
 * Runs a server that never outlives its owner, this process: a guardian, a small shell script, stops it as soon as the
 * owner is gone. Both run in a session of their own, so that Ctrl-C in the owner's terminal does not reach the server
 * before its users have drained.
 */
export function spawnGuarded(command: GuardedCommand): Guarded {
  const log = join(command.directory, `${command.name}.log`);
  const output = openSync(log, 'w', 0o600);
  giveAway(log);
  const { stopSignal, forceSignal, program, args } = command;
  const guardian = spawn('sh', ['-c', GUARDIAN, 'guardian', stopSignal, forceSignal, program, ...args], {
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
