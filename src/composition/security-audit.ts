import { hash } from 'node:crypto';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { httpCaller } from '#src/adapters/outbound/http-client/caller.ts';
import { postgresAuditTrail } from '#src/adapters/outbound/postgres/audit-trail.ts';
import { EXPECTED_GRANTS } from '#src/adapters/outbound/postgres/expected-grants.ts';
import { readLiveKeys } from '#src/adapters/outbound/postgres/live-keys.ts';
import { query } from '#src/adapters/outbound/postgres/pool.ts';
import { readDatabaseSecurity } from '#src/adapters/outbound/postgres/security-facts.ts';
import { withPool } from '#src/adapters/outbound/postgres/with-pool.ts';
import { verifyAuditLog } from '#src/application/audit/verify.ts';
import type { Examination } from '#src/application/checks/doctor.ts';
import type { Finding } from '#src/application/checks/finding.ts';
import { notLookedAt } from '#src/application/checks/security/audited.ts';
import { configurationFindings } from '#src/application/checks/security/configuration-findings.ts';
import {
  auditLogFindings,
  connectionFindings,
} from '#src/application/checks/security/connection-findings.ts';
import { grantFindings } from '#src/application/checks/security/grant-findings.ts';
import { httpFindings } from '#src/application/checks/security/http-findings.ts';
import { keyFindings } from '#src/application/checks/security/key-findings.ts';
import { lookFromOutside } from '#src/application/checks/security/look.ts';
import { roleFindings } from '#src/application/checks/security/role-findings.ts';
import { rowFindings } from '#src/application/checks/security/row-findings.ts';
import { treeFindings } from '#src/application/checks/security/tree-findings.ts';
import { type Environment, loadConfig, readConfig } from '#src/config/load.ts';
import type { Role } from '#src/config/variable.ts';
import { trackedFiles } from './checkout-files.ts';
import { configurationSecurity } from './configuration-security.ts';
import type { Place } from './release/targets.ts';

const NAME = 'dragonfly-security-audit';

export interface AuditRequest {
  readonly environment: Environment;
  /** Whose variables are looked at. */
  readonly roles: readonly Role[];
  /** Where the service is to be looked at from outside. */
  readonly place: Place | undefined;
}

/** All that the security audit looks at, each by itself. */
export function securityExaminations({ environment, roles, place }: AuditRequest): Examination[] {
  return [
    ...databaseExaminations(environment),
    {
      name: 'configuration',
      examine: async () => {
        const { values, faults } = readConfig(roles, environment);
        return await Promise.resolve(configurationFindings(configurationSecurity(values, faults)));
      },
    },
    { name: 'tree', examine: async () => treeFindings(await trackedFiles()) },
    {
      name: 'http',
      examine: async () => (place ? await lookedAt(place, environment) : [notLookedAt('http', '--url')]),
    },
  ];
}

async function lookedAt(place: Place, environment: Environment): Promise<Finding[]> {
  const http = httpCaller();
  try {
    const isDev = environment['DRAGONFLY_ENV'] === 'dev';
    const target = { ...place, isDev, securityHeaders: SECURITY_HEADERS };
    return httpFindings(await lookFromOutside(http, target), target);
  } finally {
    await http.close();
  }
}

/** Those of them that a release looks at once more after its migrations. */
export function databaseExaminations(environment: Environment): Examination[] {
  const settings = () => {
    const config = loadConfig(['security-audit'], environment);
    return {
      database: { url: config.DRAGONFLY_OWNER_DATABASE_URL, startTimeoutMs: config.DRAGONFLY_START_TIMEOUT },
      names: {
        owner: decodeURIComponent(new URL(config.DRAGONFLY_OWNER_DATABASE_URL).username),
        api: config.DRAGONFLY_API_ROLE,
        worker: config.DRAGONFLY_WORKER_ROLE,
        readonly: config.DRAGONFLY_READONLY_ROLE,
      },
    };
  };
  return [
    {
      name: 'postgres',
      examine: async () => {
        const { database, names } = settings();
        const facts = await withPool(database, NAME, (pool) => readDatabaseSecurity(pool, names));
        return [
          ...roleFindings(facts),
          ...grantFindings(facts, EXPECTED_GRANTS),
          ...rowFindings(facts),
          ...connectionFindings(facts, environment['DRAGONFLY_ENV'] === 'dev'),
        ];
      },
    },
    {
      name: 'keys',
      examine: async () => keyFindings(await withPool(settings().database, NAME, readLiveKeys)),
    },
    {
      name: 'audit-log',
      examine: async () =>
        await withPool(settings().database, NAME, async (pool) => {
          const trail = postgresAuditTrail((statement) => query(pool, statement));
          return auditLogFindings(await verifyAuditLog({ trail, sha256: (text) => hash('sha256', text) }));
        }),
    },
  ];
}
