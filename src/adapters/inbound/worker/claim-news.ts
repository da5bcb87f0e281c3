import type { QueuePause } from '#src/application/worker/ports.ts';

/** What is said of jobs while a claim is under way: what it brings was claimed before, and has not heard of it. */
export function createClaimNews() {
  let isUnderWay = false;
  let pauses: QueuePause[] = [];
  let cancelled: string[] = [];
  return {
    begin(): void {
      isUnderWay = true;
      pauses = [];
      cancelled = [];
    },
    pause(pause: QueuePause): void {
      if (isUnderWay) pauses.push(pause);
    },
    cancel(leaseToken: string): void {
      if (isUnderWay) cancelled.push(leaseToken);
    },
    end() {
      isUnderWay = false;
      return { pauses, cancelled };
    },
  };
}
