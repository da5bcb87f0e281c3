/** Jobs are begun for so long in one turn of the event loop; then timers, beats and sockets have theirs. */
const TURN_MS = 5;

/** The turn of the event loop in which jobs are begun: handlers that never wait would make it endless. */
export function createTurn(onNext: () => void) {
  let endsMs: number | undefined;

  function next(): void {
    endsMs = undefined;
    onNext();
  }

  return {
    /** Whoever asks is called again in the next turn. */
    isOver(nowMs: number): boolean {
      if (endsMs === undefined) {
        endsMs = nowMs + TURN_MS;
        setImmediate(next);
      }
      return nowMs > endsMs;
    },
  };
}
