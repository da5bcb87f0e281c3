import type { QueueFacts } from './facts.ts';
import { type Finding, gradeOf } from './finding.ts';
import { found } from './found.ts';

const HOUR_SECONDS = 3600;
const WAIT = { warning: 300, critical: HOUR_SECONDS };

/** What of the queue needs somebody. */
export function queueFindings(facts: QueueFacts): Finding[] {
  const waiting = facts.types.reduce((sum, { depth }) => sum + depth, 0);
  return [
    ...oldest(facts),
    ...deadLetters(facts),
    workers(facts, waiting),
    silent(facts),
    lostLeases(facts),
    ...overdue(facts),
    frozen(facts),
    ...pauses(facts),
    partitions(facts),
  ];
}

function oldest({ types, pauses: paused }: QueueFacts): Finding[] {
  const late = types.filter(
    ({ type, oldestSeconds }) =>
      oldestSeconds >= WAIT.warning && !paused.some((pause) => pause.type === type),
  );
  if (late.length === 0) return [found('oldest-job', 'ok', 'no job has waited for 5 minutes')];
  return late.map(({ type, depth, oldestSeconds }) =>
    found(
      'oldest-job',
      gradeOf(oldestSeconds, WAIT),
      `${type}: ${depth} wait, the oldest for ${Math.round(oldestSeconds)} s`,
      {
        explanation: 'No worker has the type, all are busy, or the database is slow.',
        mend: 'dragonfly jobs workers',
      },
    ),
  );
}

function deadLetters({ types }: QueueFacts): Finding[] {
  const dead = types.filter((one) => one.dead > 0);
  if (dead.length === 0) return [found('dead-letters', 'ok', 'none')];
  return dead.map(({ type, dead: count }) =>
    found('dead-letters', 'warning', `${type}: ${count}`, {
      explanation: 'They failed for good, and stay until somebody decides.',
      mend: `dragonfly jobs list --type ${type} --status failed`,
    }),
  );
}

const workers = ({ workersAlive }: QueueFacts, waiting: number): Finding =>
  found(
    'workers',
    workersAlive === 0 ? (waiting > 0 ? 'critical' : 'warning') : 'ok',
    `${workersAlive} alive`,
    {
      explanation: waiting > 0 ? `${waiting} jobs wait for one.` : 'Nothing that is queued will run.',
    },
  );

const silent = ({ workersSilent }: QueueFacts): Finding =>
  found(
    'silent-workers',
    workersSilent.length > 0 ? 'warning' : 'ok',
    workersSilent.join(', ') || 'none ended without a goodbye',
    {
      explanation: 'They were killed, ran out of memory, or lost the database. Their jobs have returned.',
    },
  );

const lostLeases = ({ lostLeases: count }: QueueFacts): Finding =>
  found('lost-leases', count > 0 ? 'warning' : 'ok', `${count} claims of dead workers`, {
    explanation: 'They return with the next claim of their type; nobody claims it.',
    mend: 'dragonfly workers reap',
  });

const MOST_SHOWN = 5;

/** A worker ends a run at its deadline by itself: one that does not has lost its count, or was written elsewhere. */
function overdue({ overdue: runs }: QueueFacts): Finding[] {
  if (runs.length === 0) return [found('overdue-jobs', 'ok', 'no run is past its deadline')];
  return Object.entries(Object.groupBy(runs, ({ type }) => type)).map(([type, all = []]) => {
    const oldest = Math.round(Math.max(...all.map(({ seconds }) => seconds)));
    const workers = [...new Set(all.map(({ workerId }) => workerId))];
    return found('overdue-jobs', 'warning', `${type}: ${all.length} past the deadline, one by ${oldest} s`, {
      explanation: `A live worker holds them and does not end them: ${shortened(workers)}.`,
      mend: `dragonfly jobs cancel ${all[0]?.jobId ?? 'ID'}, of ${shortened(all.map(({ jobId }) => jobId))}; then restart the worker`,
    });
  });
}

const shortened = (list: readonly string[]): string =>
  list.length > MOST_SHOWN
    ? `${list.slice(0, MOST_SHOWN).join(', ')} and ${list.length - MOST_SHOWN} more`
    : list.join(', ');

function frozen({ frozenSeconds }: QueueFacts): Finding {
  const severity =
    frozenSeconds === null ? 'ok' : gradeOf(frozenSeconds, { warning: 0, critical: HOUR_SECONDS });
  return found(
    'frozen',
    severity,
    frozenSeconds === null ? 'the queues are not frozen' : `for ${Math.round(frozenSeconds)} s`,
    {
      explanation: 'A release froze them, and has not ended or was forgotten.',
      mend: 'dragonfly queues unfreeze',
    },
  );
}

function pauses({ pauses: all }: QueueFacts): Finding[] {
  const long = all.filter(({ seconds }) => seconds >= 24 * HOUR_SECONDS);
  if (long.length === 0) return [found('long-pause', 'ok', `${all.length} pauses, none for a day`)];
  return long.map(({ type, seconds }) =>
    found('long-pause', 'warning', `${type}: for ${Math.floor(seconds / HOUR_SECONDS)} h`, {
      explanation: 'Somebody may have forgotten it.',
      mend: `dragonfly jobs resume ${type}`,
    }),
  );
}

/** Three days are made ahead. */
const partitions = ({ daysAhead }: QueueFacts): Finding =>
  found(
    'partitions',
    daysAhead === 0 ? 'critical' : daysAhead < 2 ? 'warning' : 'ok',
    `made for ${daysAhead} days ahead`,
    {
      explanation: 'Workers make them every hour; look for `queue not maintained` in their log.',
      mend: 'select ops.maintain();',
    },
  );
