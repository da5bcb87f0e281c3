import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { asAdmin } from '#test/support/cluster.ts';
import type { TestDatabase } from '#test/support/database.ts';
import type { MountedSecret } from '#test/support/mounted-secret.ts';
import type { ServiceProcess } from '#test/support/service-process.ts';
import { until } from '#test/support/until.ts';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { expect, onTestFinished } from 'vitest';

export const newPassword = (): string => randomBytes(18).toString('base64url');

export interface Login {
  readonly name: string;
  /** Its URL with that password. */
  url(password: string): string;
  setPassword(password: string): Promise<void>;
  lock(): Promise<void>;
  /** Processes of the server that serve it. */
  backends(): Promise<number[]>;
}

/** A role of the calling test's own that may log in, with the rights of the api or the worker role. */
export async function login(
  { name: database, urls }: TestDatabase,
  role: 'api' | 'worker',
  password: string,
): Promise<Login> {
  const name = `${new URL(urls[role]).username}_${randomBytes(3).toString('hex')}`;
  const quoted = escapeIdentifier(name);
  const parent = escapeIdentifier(new URL(urls[role]).username);
  const run = async (text: string): Promise<Record<string, unknown>[]> =>
    await asAdmin(urls.admin, async (admin) => (await admin.query<Record<string, unknown>>(text)).rows);
  await run(`create role ${quoted} login password ${escapeLiteral(password)} in role ${parent}`);
  onTestFinished(async () => {
    await run(`drop role ${quoted}`);
  });
  return {
    name,
    url: (secret) => Object.assign(new URL(urls[role]), { username: name, password: secret }).href,
    async setPassword(secret) {
      await run(`alter role ${quoted} password ${escapeLiteral(secret)}`);
    },
    async lock() {
      await run(`alter role ${quoted} nologin`);
    },
    async backends() {
      const rows = await run(
        `select pid from pg_stat_activity where usename = ${escapeLiteral(name)} and datname = ${escapeLiteral(database)}`,
      );
      return rows.map(({ pid }) => Number(pid));
    },
  };
}

/** The variables that read each key of a mounted secret of the same name. */
export const filesOf = (
  secret: MountedSecret,
  names: readonly string[],
): Record<string, string | undefined> =>
  Object.fromEntries(
    names.flatMap((name) => [
      [name, undefined],
      [`${name}_FILE`, secret.pathOf(name)],
    ]),
  );

export async function untilRotated(process: ServiceProcess, variables: readonly string[]): Promise<void> {
  await until(() => {
    const lines = process.logged('secret rotated');
    expect(lines.map(({ variable }) => String(variable)).toSorted()).toEqual(variables.toSorted());
    for (const line of lines) expect(line).toMatchObject({ level: 'INFO', file: line['variable'] });
  });
}

/** Asks again and again, so many at a time, until it is stopped; what did not succeed is kept. */
export function loadOf(ask: () => Promise<Response>) {
  const failures: string[] = [];
  let succeeded = 0;
  const stopped = new AbortController();
  const loops: Promise<void>[] = [];
  async function loop(): Promise<void> {
    while (!stopped.signal.aborted) {
      const response = await ask();
      if (response.ok) succeeded += 1;
      else failures.push(`${response.status} ${await response.text()}`);
      await sleep(1);
    }
  }
  onTestFinished(() => {
    stopped.abort();
  });
  return {
    failures,
    atATime(count: number): void {
      while (loops.length < count) loops.push(loop());
    },
    /** Fulfils when so many more have succeeded. */
    async more(count: number): Promise<void> {
      const wanted = succeeded + count;
      await until(() => {
        expect(succeeded).toBeGreaterThanOrEqual(wanted);
      });
    },
    async stop(): Promise<void> {
      stopped.abort();
      await Promise.all(loops);
    },
  };
}
