import { expect } from 'vitest';
import { DEAD_AFTER_SECONDS, untilDead } from '../queue.ts';
import { type Command, command } from './command.ts';
import { isLost, returned } from './job.ts';
import { sqlOf } from './real.ts';

/** Longer than the test: who beats with it lives on. */
const LONG_SECONDS = 3600;

export const beat = (number: number): Command =>
  command(`worker ${number} beats`, async ({ workers }, { queue }) => {
    const worker = workers[number];
    if (!worker) return;
    expect(await queue.beat(worker.id, LONG_SECONDS)).toEqual([]);
    worker.heart = 'beating';
  });

/** Only of a worker that holds jobs, because it takes a second. */
export const die = (number: number): Command =>
  command(
    `worker ${number} dies`,
    async ({ workers }, { queue }) => {
      const worker = workers[number];
      if (!worker) return;
      await queue.beat(worker.id, DEAD_AFTER_SECONDS);
      await untilDead();
      worker.heart = 'dead';
    },
    (world) => {
      const worker = world.workers[number];
      return worker?.heart === 'beating' && world.seen().some(({ lease }) => lease?.worker === worker);
    },
  );

/** With 0 minutes nobody who never beat keeps a job. */
export const reap = (session: number, minutes: 0 | 30): Command =>
  command(`reap ${session} ${minutes}`, async (world, real) => {
    const lost = world
      .seen(session)
      .filter((job) => isLost(job) || (minutes === 0 && job.lease?.worker.heart === 'none'));
    const sql = sqlOf(real, session);
    const rows = await sql<{ job_id: string; action_taken: string; attempts: number }>`
      select job_id, action_taken, attempts from ops.reap_stuck_jobs(${minutes}) where job_type = any (${world.types})`;
    const actions = new Map(rows.map(({ job_id, ...row }) => [job_id, row]));
    expect(lost.map(({ id }) => id)).toEqual(expect.arrayContaining([...actions.keys()]));
    for (const job of lost) {
      const action = actions.get(job.id);
      if (!action) {
        expect(world.touchedByOthers(session, job.id), `${job.id} is not reaped`).toBe(true);
        continue;
      }
      expect(world.changedByOthers(session, job.id)).toBe(false);
      const { status, attempts } = returned(job);
      expect(action).toEqual({
        action_taken: status === 'pending' ? 'requeued' : 'dead_lettered',
        attempts,
      });
      world.put(session, returned(job));
    }
  });
