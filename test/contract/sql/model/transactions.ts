import { until } from '#test/support/until.ts';
import { expect } from 'vitest';
import { type Command, command } from './command.ts';
import { connectSession, sessionOf } from './real.ts';

export const begin = (session: number): Command =>
  command(
    `begin ${session}`,
    async (world, real) => {
      await sessionOf(real, session).run('begin');
      world.begin(session);
    },
    (world) => !world.isOpen(session),
  );

export const end = (session: number, how: 'commit' | 'rollback'): Command =>
  command(
    `${how} ${session}`,
    async (world, real) => {
      await sessionOf(real, session).run(how);
      world[how](session);
    },
    (world) => world.isOpen(session),
  );

export const savepoint = (session: number): Command =>
  command(
    `savepoint ${session}`,
    async (world, real) => {
      await sessionOf(real, session).run(`savepoint s${world.savepoints(session)}`);
      world.savepoint(session);
    },
    (world) => world.isOpen(session),
  );

export const rollbackTo = (session: number, number: number): Command =>
  command(
    `rollback ${session} to savepoint ${number}`,
    async (world, real) => {
      await sessionOf(real, session).run(`rollback to s${number}`);
      world.rollbackTo(session, number);
    },
    (world) => number < world.savepoints(session),
  );

/** As if the process at the other end had died. */
export const kill = (session: number): Command =>
  command(
    `kill ${session}`,
    async (world, real) => {
      const { pid } = sessionOf(real, session);
      await real.queue.admin`select pg_terminate_backend(${pid})`;
      await until(async () => {
        expect(await real.queue.admin`select from pg_stat_activity where pid = ${pid}`).toEqual([]);
      });
      world.rollback(session);
      real.sessions[session] = await connectSession(real.queue);
    },
    (world) => world.isOpen(session),
  );
