import type { Row } from './pool.ts';

type Run = (text: string) => Promise<readonly Row[]>;

const MAKERS = ['lo_creat(integer)', 'lo_create(oid)', 'lo_from_bytea(oid, bytea)'];
const IS_OPEN = MAKERS.map(
  (name) => `has_function_privilege('public', 'pg_catalog.${name}', 'execute')`,
).join(' or ');

/**
 * PostgreSQL lets everybody make large objects, a role that may only read, too: a place to hide terabytes in (SEC-12). The service
 * has none, so nobody may. Idempotent; what is done already is not done again, which would be recorded as direct DDL.
 *
 * @param run statements in the service's database, as its administrator
 * @returns whether nobody may; only a superuser can see to that
 */
export async function refuseLargeObjects(run: Run): Promise<boolean> {
  const isOpen = async (): Promise<boolean> => (await run(`select ${IS_OPEN} as open`))[0]?.['open'] === true;
  if (!(await isOpen())) return true;
  // Whoever may not do this is warned, and nothing changes.
  await run(
    `revoke execute on function ${MAKERS.map((name) => `pg_catalog.${name}`).join(', ')} from public`,
  );
  return !(await isOpen());
}
