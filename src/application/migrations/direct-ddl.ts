import type { Finding } from '#src/application/checks/finding.ts';

/** DDL that was neither a migration's nor a function's of schema ops (DATA-9). */
export interface DirectDdl {
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  /** Who logged in. */
  readonly role: string;
  readonly application: string;
  /** `ALTER TABLE`, without its text, which may hold a secret. */
  readonly command: string;
  readonly object: string;
}

/**
 * `recording`: event triggers write it down. `unavailable`: they need a superuser, and the administrator of this server is none.
 * `off`: they were there and are not, or are disabled.
 */
export type DdlLogState = 'recording' | 'unavailable' | 'off';

export interface DdlLog {
  state(): Promise<DdlLogState>;
  /** Oldest first, at most a thousand. */
  unacknowledged(): Promise<readonly DirectDdl[]>;
  /** Everything up to that id, and how many entries that were. */
  acknowledge(upTo: string, reason: string): Promise<number>;
}

const CHECK = 'direct-ddl';
const RUNBOOK = 'docs/runbooks/migrations.md#direct-ddl';

/** What doctor and gate say of it: direct DDL blocks until somebody has said why it is right. */
export async function listDirectDdl(log: DdlLog): Promise<Finding[]> {
  const state = await log.state();
  if (state === 'unavailable') return [UNRECORDED];
  const entries = await log.unacknowledged();
  const findings = entries.length === 0 ? [] : [foundDdl(entries)];
  if (state === 'off') findings.push(SWITCHED_OFF);
  return findings.length > 0
    ? findings
    : [{ check: CHECK, severity: 'ok', summary: 'nothing but migrations has changed the schema' }];
}

const UNRECORDED: Finding = {
  check: CHECK,
  severity: 'warning',
  summary: 'direct DDL is not recorded: event triggers need a superuser',
  explanation:
    'The schema check finds what differs now, and not who did it, or what was changed and changed back.',
  mend: 'dragonfly roles, once as a superuser',
  runbook: RUNBOOK,
};

const SWITCHED_OFF: Finding = {
  check: CHECK,
  severity: 'critical',
  summary: 'the event triggers that record direct DDL are gone or disabled',
  explanation: 'What was changed meanwhile is not known: compare the schema, too.',
  mend: 'dragonfly roles',
  runbook: RUNBOOK,
};

const MOST_SHOWN = 10;

function foundDdl(entries: readonly DirectDdl[]): Finding {
  const shown = entries
    .slice(0, MOST_SHOWN)
    .map(({ id, at, role, application, command, object }) =>
      `${id}: ${at} ${role} (${application || 'no application name'}) ${command} ${object}`.trim(),
    );
  const more = entries.length > MOST_SHOWN ? [`and ${entries.length - MOST_SHOWN} more`] : [];
  return {
    check: CHECK,
    severity: 'critical',
    summary: `${entries.length} changes of the schema outside of migrations`,
    explanation: [...shown, ...more].join('; '),
    mend: `take it back or write it as a migration, then: dragonfly migrate acknowledge --up-to ${entries.at(-1)?.id ?? ''} --reason "…"`,
    runbook: RUNBOOK,
  };
}
