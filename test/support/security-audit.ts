import { randomBytes } from 'node:crypto';
import type { Finding } from '#src/application/checks/finding.ts';
import { invoke } from '#src/composition/cli/invoke.ts';
import type { Environment } from '#src/config/load.ts';
import { type TestDatabase, roleNames } from './database.ts';
import { testEnvironment } from './service.ts';

/** In which `security-audit` finds nothing: that of staging, with secrets of its own. */
export const auditedEnvironment = (database: TestDatabase): Environment => ({
  ...testEnvironment(database),
  DRAGONFLY_ENV: 'staging',
  DRAGONFLY_GIT_SHA: '5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e',
  DRAGONFLY_RATE_LIMIT_AUTHENTICATED: '100',
  DRAGONFLY_RATE_LIMIT_ANONYMOUS: '20',
  DRAGONFLY_WEBHOOK_ALLOW_LOOPBACK: 'false',
  DRAGONFLY_WEBHOOK_SECRET: randomBytes(48).toString('base64'),
  DRAGONFLY_METRICS_TOKEN: randomBytes(24).toString('base64url'),
  DRAGONFLY_OWNER_DATABASE_URL: database.urls.owner,
  ...roleNames(database),
});

/** Runs `dragonfly security-audit`. `bad` names what is not in order, but for a service that it was not asked to look at. */
export async function audit(environment: Environment, ...args: string[]) {
  const { output, code } = await invoke(
    ['security-audit', '--json', '--expect', 'http-skipped', ...args],
    environment,
  );
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  return {
    output,
    code,
    findings,
    bad: findings.filter(({ severity }) => severity !== 'ok').map(({ check }) => check),
    of: (check: string) => findings.find((finding) => finding.check === check),
  };
}
