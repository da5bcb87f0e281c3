const REASONS = {
  cancelled: 'The job was cancelled.',
  lease_lost: 'The lease of the job was lost.',
  no_heartbeat: 'The worker could not reach the database for so long that it must take itself for dead.',
  drain: 'The worker is shutting down.',
} as const;

/** Why a run is ended from outside. After `cancelled` and `lease_lost` there is nothing left to report. */
export type AbortReason = keyof typeof REASONS;

/** What the signal of a run is aborted with. */
export class JobAborted extends Error {
  override readonly name = 'JobAborted';
  readonly reason: AbortReason;

  constructor(reason: AbortReason) {
    super(REASONS[reason]);
    this.reason = reason;
  }
}
