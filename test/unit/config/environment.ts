import { randomBytes } from 'node:crypto';
import { ConfigurationError, type Environment, loadConfig } from '#src/config/load.ts';
import type { Role } from '#src/config/variable.ts';

const random = (bytes: number): string => randomBytes(bytes).toString('base64url');

/** Everything that production needs and nothing more. */
export const COMPLETE = {
  DRAGONFLY_ENV: 'prod',
  DRAGONFLY_GIT_SHA: '0123456789abcdef0123456789abcdef01234567',
  DRAGONFLY_API_DATABASE_URL: `postgres://dragonfly_api:${random(12)}@db.internal:5432/app`,
  DRAGONFLY_WORKER_DATABASE_URL: `postgres://dragonfly_worker:${random(12)}@db.internal:5432/app`,
  DRAGONFLY_OWNER_DATABASE_URL: `postgres://owner:${random(12)}@db.internal:5432/app`,
  DRAGONFLY_BACKUP_DATABASE_URL: `postgres://dragonfly_backup:${random(12)}@db.internal:5432/app`,
  DRAGONFLY_ADMIN_DATABASE_URL: `postgres://root:${random(12)}@db.internal:5432/postgres`,
  DRAGONFLY_REDIS_URL: 'redis://cache.internal:6379',
  DRAGONFLY_METRICS_TOKEN: random(24),
  DRAGONFLY_API_KEY: `dfk_${random(24)}`,
  DRAGONFLY_WEBHOOK_SECRET: random(24),
} as const;

/** The faults that the roles find in an environment; none when it is accepted. */
export function faultsOf(roles: readonly Role[], environment: Environment): readonly string[] {
  try {
    loadConfig(roles, environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}
