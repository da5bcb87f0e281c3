/** Silence after which a worker counts as dead: short, so that its jobs come back within seconds. */
export const DEAD_AFTER_MS = 4000;
/** Silence after which it takes itself for dead. */
export const ABORT_AFTER_MS = 3000;
