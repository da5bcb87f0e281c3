import type { Finding } from '../finding.ts';
import { none } from './audited.ts';
import type { DatabaseSecurity, Grant } from './facts.ts';

/** A grant under the names of what roles and database are for. */
export type ExpectedGrant = readonly [role: string, kind: Grant['kind'], object: string, privileges: string];

/** For the database itself, whose name is the operator's. */
export const THE_DATABASE = 'the database';

/** SEC-12: what is granted, against what the migrations grant. */
export function grantFindings(facts: DatabaseSecurity, expected: readonly ExpectedGrant[]): Finding[] {
  const live = facts.grants.filter((grant) => !isConnectOf(grant, facts)).flatMap(single);
  const named = new Map(live.map((grant) => [textOf(generally(grant, facts)), grant]));
  const wanted = new Set(
    expected
      .flatMap(([role, kind, object, privileges]) => single({ role, kind, object, privileges }))
      .map(textOf),
  );
  const unexpected = [...named].filter(([text]) => !wanted.has(text));
  const missing = [...wanted].filter(
    (text) => !named.has(text) && (facts.recordsDdl || !/ddl_log\b/.test(text)),
  );
  return [
    none(
      'grants',
      'SEC-12',
      unexpected.map(([text]) => text),
      `${named.size} privileges, each of them of a migration`,
      {
        explanation: 'No migration grants it.',
        mend: unexpected.map(([, grant]) => revocation(grant)).join(' '),
      },
    ),
    none('grants-missing', 'SEC-12', missing, 'no grant of a migration is missing', {
      severity: 'warning',
      explanation: 'A migration grants it; whoever mends what is refused by hand grants more than is needed.',
      mend: 'dragonfly schema-check',
    }),
    none('public-schema', 'SEC-11', facts.publicSchemas, 'PUBLIC may use or create in no schema of ours', {
      explanation: 'Every role of the server has what PUBLIC has.',
      mend: facts.publicSchemas.map((one) => `revoke ${one} from public;`).join(' '),
    }),
    none(
      'default-privileges',
      'SEC-12',
      facts.defaultPrivileges.map(({ says }) => says),
      'what is created later is its owner’s',
      {
        explanation: 'The next migration opens what it creates without a word about it.',
        mend: facts.defaultPrivileges.map(({ mend }) => mend).join(' '),
      },
    ),
  ];
}

/** One privilege each; the right to pass it on is one of its own. */
const single = (grant: Grant): Grant[] =>
  grant.privileges
    .split(', ')
    .flatMap((text) => {
      const privilege = text.replace('*', '');
      return text === privilege ? [privilege] : [privilege, `grant option for ${privilege}`];
    })
    .map((privileges) => Object.assign({}, grant, { privileges }));

/** Who may connect beside the roles of the service, such as the one for backups, is the operator's to say. */
const isConnectOf = ({ role, kind, privileges }: Grant, { roles }: DatabaseSecurity): boolean =>
  kind === 'database' &&
  privileges === 'connect' &&
  role !== 'PUBLIC' &&
  !Object.values(roles).some(({ name }) => name === role);

/** A stranger may have the name of what a role is for. */
function generally(grant: Grant, { roles }: DatabaseSecurity): Grant {
  const [role] = Object.entries(roles).find(([, { name }]) => name === grant.role) ?? [];
  return {
    ...grant,
    role: role ?? (grant.role === 'PUBLIC' ? grant.role : `role ${grant.role}`),
    object: grant.kind === 'database' ? THE_DATABASE : grant.object,
  };
}

const textOf = ({ role, kind, object, privileges }: Grant): string =>
  `${role} has ${privileges} on ${kind === 'database' ? object : `${kind} ${object}`}`;

const revocation = ({ role, kind, object, privileges }: Grant): string =>
  `revoke ${privileges} on ${kind === 'relation' ? '' : `${kind} `}${object} from ${role};`;
