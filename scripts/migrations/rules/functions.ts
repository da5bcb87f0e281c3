import type { Node } from 'libpg-query';
import { objectName, qualifiedName, within } from '../objects.ts';
import { as } from '../statement.ts';
import type { Rule } from './rule.ts';

/** SEC-12: who calls it acts as the owner, so it must mean what it meant when it was written, and not be everybody's. */
export const definer: Rule = ({ node }, world) => {
  const made = as(node, 'CreateFunctionStmt');
  const changed = as(node, 'AlterFunctionStmt');
  const options = within(made?.options ?? changed?.actions, 'DefElem');
  const isDefiner = options.some(({ defname, arg }) => defname === 'security' && as(arg, 'Boolean')?.boolval);
  if (!isDefiner) return [];
  const name = made ? qualifiedName(made.funcname) : qualifiedName(changed?.func?.objname);
  const hasPath = options.some(({ arg }) => {
    const set = as(arg, 'VariableSetStmt');
    return set?.name === 'search_path' && set.kind === 'VAR_SET_VALUE';
  });
  return [
    ...(hasPath ? [] : [`${name} is security definer: set search_path = pg_catalog, pg_temp.`]),
    ...(made && !world.isRevokedFromPublic(name)
      ? [
          `${name} is security definer, and everybody may call it: revoke execute on function ${name} from public.`,
        ]
      : []),
  ];
};

const isPublic = (roles: readonly Node[] | undefined): boolean =>
  within(roles, 'RoleSpec').some(({ roletype }) => roletype === 'ROLESPEC_PUBLIC');

export const publicGrant: Rule = ({ node }) => {
  const grant = as(node, 'GrantStmt');
  if (!grant?.is_grant || !isPublic(grant.grantees)) return [];
  return ['grants to everybody: name the role.'];
};

/** Of functions, from everybody: their names, or `default` for all that will be made. */
export function revokedBy(node: Node): string[] {
  const byDefault = as(node, 'AlterDefaultPrivilegesStmt')?.action;
  const grant = byDefault ?? as(node, 'GrantStmt');
  if (!grant || grant.is_grant || !isPublic(grant.grantees)) return [];
  if (!/FUNCTION|ROUTINE|PROCEDURE/.test(grant.objtype ?? '')) return [];
  return byDefault ? ['default'] : (grant.objects ?? []).map(objectName);
}
