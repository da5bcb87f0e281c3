import { ROLES, type Role } from '#src/config/variable.ts';
import { UsageError } from './command.ts';

/** `--roles`: whose variables a command looks at. @throws UsageError */
export function rolesOf(list: string): Role[] {
  const roles = list.split(',');
  if (!roles.every(isRole)) throw new UsageError(`--roles: of ${ROLES.join(', ')}.`);
  return roles;
}

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);
