/**
 * Runs a command and exits as it does, 128 + n for signal n. Standard input is the leash: at its end, because the owner
 * closed it or is gone, the whole process group is asked to end, and killed once the command has ended or after 5 s. To be spawned as the leader of a
 * group of its own. A shell without job control points a background command's input to /dev/null, hence descriptor 9.
 */
const GUARDIAN = `
exec 9<&0
released=
trap 'released=1' TERM
"$@" 9<&- </dev/null & child=$!
{
  read -r _ <&9
  trap '' TERM
  kill -s TERM 0
  sleep 5
  kill -s KILL 0
} >/dev/null 2>&1 & watch=$!
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
if [ "$released" ]; then kill -s KILL 0; fi
kill -s KILL "$watch"
exit "$code"
`;

export const guarded = (command: readonly string[]): readonly ['sh', string[]] => [
  'sh',
  ['-c', GUARDIAN, 'guardian', ...command],
];
