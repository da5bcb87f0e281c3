import type { Finding } from '../finding.ts';
import { none } from './audited.ts';
import type { DatabaseSecurity, RoleFacts } from './facts.ts';

/** SEC-12: what the roles of the service may beyond what they need. */
export function roleFindings({ roles, missingRoles }: DatabaseSecurity): Finding[] {
  const { owner, ...others } = roles;
  const runtime = Object.values(others);
  /** The owner's functions act for all, and its rights are theirs. */
  const unbound = owner.attributes.filter((name) => name === 'superuser' || name === 'bypassrls');
  const strong = runtime.flatMap(({ name, attributes }) => attributes.map((one) => `${name}: ${one}`));
  const owned = each(runtime, ({ owns }) => owns);
  const creating = each(runtime, ({ createsIn }) => createsIn);
  const touched = each(runtime, ({ tables }) => tables);
  const members = each(runtime, ({ memberOf }) => memberOf);
  return [
    none('role-missing', 'SEC-12', missingRoles, 'all four roles are there', {
      explanation: 'Nothing can be said of a role that is not there; is its name the configured one?',
      mend: 'dragonfly roles',
    }),
    none('owner-bound', 'SEC-11', unbound, 'the owner is bound by row-level security', {
      explanation: 'The functions run as the owner: for a superuser, or with BYPASSRLS, no policy holds.',
      mend: `alter role ${owner.name} nosuperuser nobypassrls;`,
    }),
    none('role-attributes', 'SEC-12', strong, 'no role of run time has an attribute', {
      explanation: 'A role of run time needs none of them.',
      mend: runtime
        .filter(({ attributes }) => attributes.length > 0)
        .map(({ name, attributes }) => `alter role ${name} ${attributes.map((one) => `no${one}`).join(' ')};`)
        .join(' '),
    }),
    none('role-membership', 'SEC-12', members, 'no role of run time is a member of another', {
      explanation: 'A member has the rights of the other role, or may take them.',
      mend: runtime
        .flatMap(({ name, memberOf }) => memberOf.map((other) => `revoke ${other} from ${name};`))
        .join(' '),
    }),
    none('role-owns', 'SEC-12', owned, 'no role of run time owns anything', {
      explanation: 'An owner may change, drop and grant what it owns.',
      mend: runtime
        .filter(({ owns }) => owns.length > 0)
        .map(({ name }) => `reassign owned by ${name} to ${owner.name};`)
        .join(' '),
    }),
    none('role-creates', 'SEC-12', creating, 'no role of run time may create anything', {
      explanation: 'What it creates there may be called or read instead of what is meant.',
      mend: runtime
        .flatMap(({ name, createsIn }) =>
          createsIn.map((place) => `revoke create on ${place} from ${name}, public;`),
        )
        .join(' '),
    }),
    none('table-access', 'SEC-11', touched, 'no role of run time may touch a table', {
      explanation: 'Tables are reached through functions and views only, which know of organisations.',
      mend: runtime
        .flatMap(({ name, tables }) => tables.map((table) => `revoke all on ${table} from ${name}, public;`))
        .join(' '),
    }),
  ];
}

const each = (roles: readonly RoleFacts[], of: (role: RoleFacts) => readonly string[]): string[] =>
  roles.flatMap((role) => of(role).map((one) => `${role.name}: ${one}`));
