import type { QueueFreeze } from '#src/application/release/ports.ts';
import type { Row, SqlQuery } from './pool.ts';

/** How the freeze of a release says whose it is, so that no release ends that of somebody else. */
export const OF_A_RELEASE = 'release by ';
export const FREEZE = 'ops.queue_pause where type is null and organization_id is null';

/**
 * @param run statements as the owner of the schema
 * @param actor who releases, for the audit log
 */
export const postgresQueueFreeze = (
  run: (query: SqlQuery) => Promise<Row[]>,
  actor: string,
): QueueFreeze => ({
  freeze: async () => {
    const text = "select set_config('ops.actor', $1, true), ops.freeze_queues()";
    await run({ text, values: [OF_A_RELEASE + actor] });
  },
  unfreeze: async () => {
    const text = `select set_config('ops.actor', $1, true), ops.unfreeze_queues() from ${FREEZE} and starts_with(paused_by, $2)`;
    await run({ text, values: [OF_A_RELEASE + actor, OF_A_RELEASE] });
  },
  heldBy: async () => {
    const text = `select format('since %s by %s', to_char(paused_at, 'YYYY-MM-DD HH24:MI:SS TZ'), coalesce(paused_by, 'somebody')) as holder
                    from ${FREEZE} and starts_with(paused_by, $1) is not true`;
    return (await run({ text, values: [OF_A_RELEASE] }))[0]?.['holder'] as string | undefined;
  },
});
