import { type SecurityEvent, createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { Registry } from 'prom-client';

/** SEC-4: the line that a denial over HTTP is, on the standard error, because the standard output is for what a command finds. */
export function reportDenial(
  denial: Required<Pick<SecurityEvent, 'actor' | 'command' | 'detail'>>,
  gitSha: string,
): void {
  const logger = createLogger({ level: 'error', service: 'dragonfly-cli', gitSha }, process.stderr);
  createSecurityLog(new Registry(), logger).report(logger, 'error', {
    event: 'permission_denied',
    ...denial,
  });
}
