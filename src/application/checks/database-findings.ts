import type { DatabaseFacts } from './facts.ts';
import { type Finding, gradeOf } from './finding.ts';
import { found } from './found.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
/** How many connections all replicas together may open (ARC-10). */
export interface PoolPlan {
  readonly poolMax: number;
  /** At their most; undefined where nobody has said it. */
  readonly replicas: { readonly api: number; readonly worker: number } | undefined;
  readonly isDev: boolean;
}

/** What of PostgreSQL itself is not as it should be. */
export function databaseFindings(facts: DatabaseFacts, plan: PoolPlan): Finding[] {
  return [
    version(facts),
    ...settings(facts),
    headroom(facts, plan),
    longTransaction(facts),
    preparedTransaction(facts),
    wraparound(facts),
    ...slots(facts),
    bloat(facts),
    size(facts),
  ];
}

function version({ version: number }: DatabaseFacts): Finding {
  const major = Math.floor(number / 10_000);
  return found('postgres-version', major < 15 ? 'critical' : 'ok', `PostgreSQL ${major}`, {
    explanation: 'The migrations need PostgreSQL 15 or newer.',
  });
}

const EXPECTED = {
  fsync: 'A crash of the machine may destroy the database.',
  full_page_writes: 'A crash of the machine may destroy pages that were being written.',
  autovacuum: 'Dead rows stay, and transaction ids run out.',
  synchronous_commit: 'A crash forgets jobs that clients were told are queued.',
} as const;

function settings({ settings: current }: DatabaseFacts): Finding[] {
  const off = Object.entries(EXPECTED).filter(([name]) => current[name as keyof typeof EXPECTED] === 'off');
  if (off.length === 0) return [found('postgres-settings', 'ok', 'durability and autovacuum are on')];
  return off.map(([name, explanation]) =>
    found('postgres-settings', 'critical', `${name} is off`, {
      explanation,
      mend: `alter system set ${name} = on; select pg_reload_conf();`,
    }),
  );
}

/** Each replica has a pool, and a worker one connection more to listen. */
function headroom({ connections: { most, used } }: DatabaseFacts, plan: PoolPlan): Finding {
  const { poolMax, replicas, isDev } = plan;
  const isNearlyFull = used >= most * 0.9;
  if (replicas === undefined) {
    const severity = isDev && !isNearlyFull ? 'ok' : 'warning';
    return found('connection-headroom', severity, `replicas unknown; ${used} of ${most} connections used`, {
      explanation: `Whether pools of ${poolMax} connections fit the server depends on how many replicas there may be.`,
      mend: 'Set DRAGONFLY_API_REPLICAS_MAX and DRAGONFLY_WORKER_REPLICAS_MAX, as the ConfigMap of the chart does, or give --api-replicas and --worker-replicas.',
    });
  }
  const planned = replicas.api * poolMax + replicas.worker * (poolMax + 1);
  const summary = `${planned} planned of ${most} connections, ${used} used`;
  const severity = planned > most ? 'critical' : isNearlyFull ? 'warning' : 'ok';
  return found('connection-headroom', severity, summary, {
    explanation: `${replicas.api} api and ${replicas.worker} worker replicas with pools of ${poolMax} each.`,
    mend: 'Lower DRAGONFLY_DATABASE_POOL_MAX or the replicas, put PgBouncer in between, or raise max_connections.',
  });
}

function longTransaction({ longestTransaction: longest }: DatabaseFacts): Finding {
  const severity = gradeOf(longest?.seconds ?? 0, { warning: 900, critical: 6 * 3600 });
  const of = longest && `${Math.round(longest.seconds)} s, ${longest.application || 'unnamed'}`;
  return found(
    'long-transaction',
    severity,
    of === null ? 'no transaction is open' : `the oldest is open for ${of}`,
    {
      explanation: 'Nothing that ended since can be vacuumed.',
      mend: `select pg_terminate_backend(${longest?.pid ?? 0});`,
    },
  );
}

function preparedTransaction({ oldestPreparedSeconds: seconds }: DatabaseFacts): Finding {
  const severity = gradeOf(seconds ?? 0, { warning: 300, critical: 3600 });
  return found(
    'prepared-transaction',
    severity,
    seconds === null ? 'none' : `prepared ${Math.round(seconds)} s ago`,
    {
      explanation: 'The service prepares none: somebody forgot it, and it holds its locks for ever.',
      mend: 'select gid from pg_prepared_xacts; rollback prepared …;',
    },
  );
}

const WRAPAROUND = { warning: 500_000_000, critical: 1_500_000_000 };

function wraparound({ xidAge, multixactAge }: DatabaseFacts): Finding {
  const age = Math.max(xidAge, multixactAge);
  return found(
    'wraparound',
    gradeOf(age, WRAPAROUND),
    `${(age / 20_000_000).toFixed(1)} % of the transaction ids are used`,
    {
      explanation:
        'At the end the server takes no more writes. Autovacuum is late, or something holds it back.',
      mend: 'vacuum (freeze, verbose);',
    },
  );
}

function slots({ slots: all }: DatabaseFacts): Finding[] {
  const kept = all.filter(({ keptBytes }) => keptBytes >= GIB);
  if (kept.length === 0)
    return [found('replication-slot', 'ok', `${all.length} slots, none of which holds back much`)];
  return kept.map(({ name, active, keptBytes }) =>
    found(
      'replication-slot',
      gradeOf(keptBytes, { warning: GIB, critical: 10 * GIB }),
      `${name} keeps ${Math.round(keptBytes / MIB)} MiB of log${active ? '' : ' and nobody reads it'}`,
      { explanation: 'The disk fills up.', mend: `select pg_drop_replication_slot('${name}');` },
    ),
  );
}

/** Small tables may consist of dead rows: that costs nothing. */
function bloat({ tables }: DatabaseFacts): Finding {
  const bloated = tables.filter(({ bytes, live, dead }) => bytes > 64 * MIB && dead > live);
  return found(
    'bloat',
    bloated.length > 0 ? 'warning' : 'ok',
    bloated.length === 0 ? 'no large table is mostly dead rows' : bloated.map(({ name }) => name).join(', '),
    {
      explanation:
        'More dead rows than live ones. Look for what holds vacuum back: a long transaction, a slot.',
      mend: bloated.map(({ name }) => `vacuum ${name};`).join(' '),
    },
  );
}

/** Where a scripted restore misses its hour (docs/runbooks/backup-and-restore.md). */
const RESTORABLE_BYTES = 25 * GIB;

/** How much room the disk of the server has left cannot be seen by SQL. */
const size = ({ databaseBytes }: DatabaseFacts): Finding =>
  found(
    'database-size',
    databaseBytes >= RESTORABLE_BYTES ? 'warning' : 'ok',
    `${(databaseBytes / GIB).toFixed(1)} GiB; the room left on the disk of the server is not to be seen from here`,
    { explanation: 'Restoring a scripted backup of it takes longer than the hour that is allowed.' },
  );
