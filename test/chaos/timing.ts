/** Silence after which a worker counts as dead: short, so that its jobs come back within seconds. */
export const DEAD_AFTER_MS = 3000;
