import type { GateCheck, GateEnvironment } from '#src/application/gate/check.ts';
import type { Place } from '../release/targets.ts';
import { BESIDE_A_RELEASE } from './beside-a-release.ts';

const EVERYWHERE = ['dev', 'staging', 'prod'] as const;
const DEPLOYED = ['staging', 'prod'] as const;
const MINUTE_MS = 60_000;

type Details = Partial<
  Pick<
    GateCheck,
    | 'environments'
    | 'whenStrict'
    | 'whenReleasing'
    | 'takesPlace'
    | 'takesBase'
    | 'needs'
    | 'alone'
    | 'timeoutMs'
  >
>;

/** Of the checkout: a script of package.json or .ci, which decides by its exit code. */
const ofCheckout = (
  name: string,
  holds: string,
  command: GateCheck['command'],
  details: Details = {},
): GateCheck => ({
  name,
  holds,
  command,
  environments: EVERYWHERE,
  verdict: 'exit code',
  timeoutMs: 10 * MINUTE_MS,
  ...details,
});

const script = (name: string, holds: string, of: string, details?: Details): GateCheck =>
  ofCheckout(name, holds, ['npm', 'run', '--silent', of], details);

const dragonfly = (...args: string[]): GateCheck['command'] => [
  'npm',
  'run',
  '--silent',
  'dragonfly',
  '--',
  ...args,
];

/** Of the environment: a command of ours that looks at it as it is now. */
const ofEnvironment = (name: string, holds: string, details: Details = {}): GateCheck => ({
  name,
  holds,
  command: dragonfly(name, '--json'),
  environments: DEPLOYED,
  verdict: 'findings',
  timeoutMs: 5 * MINUTE_MS,
  ...details,
});

/**
 * What a pending migration grants is not there yet; of what is, the check of the schema knows. Before the first release nothing
 * serves, and one that ends an outage has to go out.
 */
const UNSEEN_IN_A_RELEASE = ['grants', 'grants-missing', 'http-reachable', 'http-skipped'];

/**
 * Everything that the gate looks at (DEP-2), with the laws that each holds to. Beside .ci/run it installs nothing and looks at an
 * environment; where both look at the same, it is the same script (docs/decisions/0027).
 */
export const GATE_CHECKS: readonly GateCheck[] = [
  ofEnvironment('doctor', '[DEP-2] [DATA-9] [ARC-10] [SEC-18] the dependencies are well', {
    whenReleasing: ['--expect', [...BESIDE_A_RELEASE.doctor, 'migrations'].join(',')],
  }),
  ofEnvironment('env-doctor', '[DEP-6] each variable is as the schema says'),
  ofEnvironment('schema-check', '[DATA-5] [DATA-6] the database has the schema of the migrations', {
    whenReleasing: ['--applied'],
  }),
  ofEnvironment('security-audit', '[SEC-11] [SEC-12] [SEC-3] what can be seen of security is in order', {
    takesPlace: true,
    whenReleasing: ['--expect', [...BESIDE_A_RELEASE.securityAudit, ...UNSEEN_IN_A_RELEASE].join(',')],
  }),
  script('types', '[ARC-9] the types fit', 'typecheck'),
  script('lint', '[ARC-1] the linter has nothing to say', 'lint'),
  script('format', 'the format is the one of all', 'format:check'),
  script('unused-code', 'no code is unused', 'unused'),
  ofCheckout('generated-files', '[DOC-1] [DATA-3] what is generated is up to date', [
    'npm',
    'run',
    '--silent',
    'generate',
    '--',
    '--check',
  ]),
  script('contract', '[API-1] the contract breaks no client of the last release', 'contract'),
  ofCheckout(
    'migration-lint',
    '[DATA-1] [DATA-2] [DATA-9] the migrations can be applied',
    dragonfly('migrate', 'lint'),
  ),
  ofCheckout('constitution', '[DOC-3] each law is kept or waived', dragonfly('constitution', '--quiet'), {
    whenStrict: ['--strict'],
  }),
  ofCheckout('secrets', '[SEC-1] no secret is in the repository', ['.ci/secrets']),
  ofCheckout('unit-tests', '[TEST-3] the unit tests pass', ['npm', 'test', '--', '--project', 'unit'], {
    environments: ['dev'],
  }),
  ofCheckout('advisories', '[SEC-17] no dependency has an advisory', ['.ci/audit'], {
    environments: DEPLOYED,
  }),
  script('build', '[DEP-2] it can be built', 'build', { environments: DEPLOYED }),
  // They hold to limits in milliseconds.
  ofCheckout('tests', '[DEP-2] [TEST-1] [TEST-2] every test passes, with coverage', ['.ci/test'], {
    environments: DEPLOYED,
    alone: true,
    timeoutMs: 40 * MINUTE_MS,
  }),
  ofCheckout(
    'previous-release',
    '[DATA-4] the contract tests of the release before pass on the new schema',
    ['.ci/previous-release', '--unless-first'],
    { environments: DEPLOYED, takesBase: true, alone: true, timeoutMs: 20 * MINUTE_MS },
  ),
  ofCheckout(
    'clean-checkout',
    '[DEP-1] what went through the gate is what the commit says',
    ['.ci/unchanged'],
    {
      environments: DEPLOYED,
      alone: true,
    },
  ),
];

export interface GateMode {
  readonly strict: boolean;
  readonly releasing?: boolean | undefined;
  /** Where what is deployed serves, as far as that is known. */
  readonly place?: Place | undefined;
  /** The commit that served before, as the log of deployments has it. */
  readonly base?: string | null | undefined;
}

/** The rows of one environment, as they are to be run. */
export function checksOf(
  environment: GateEnvironment,
  { strict, releasing = false, place, base }: GateMode,
  table: readonly GateCheck[] = GATE_CHECKS,
): GateCheck[] {
  const commandOf = (check: GateCheck): GateCheck['command'] => [
    ...check.command,
    ...(strict ? (check.whenStrict ?? []) : []),
    ...(releasing ? (check.whenReleasing ?? []) : []),
    ...(place && check.takesPlace ? optionsOf(place) : []),
    ...(base && check.takesBase ? ['--base', base] : []),
  ];
  return table
    .filter(({ environments }) => environments.includes(environment))
    .map((check) => Object.assign({}, check, { command: commandOf(check) }));
}

const optionsOf = ({ url, opsUrl }: Place): string[] => [
  '--url',
  url,
  ...(opsUrl === undefined ? [] : ['--ops-url', opsUrl]),
];
