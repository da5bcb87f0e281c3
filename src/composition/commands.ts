import { ROLES as KEY_ROLES, type Role as KeyRole } from '#src/domain/access/permission.ts';
import type { Grant } from '#src/adapters/outbound/postgres/grants.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { ROLES, type Role } from '#src/config/variable.ts';
import { type Command, UUID, UsageError, parse } from './command-line.ts';

/** Modules are loaded by the command that needs them. */
export const commands: Readonly<Record<string, Command>> = {
  migrate,
  roles,
  keys,
  audit: async (args, environment) => await (await import('./audit-commands.ts')).audit(args, environment),
  'webhook-secret': webhookSecret,
  config,
  constitution: async (args) => await (await import('./constitution.ts')).constitution(args),
};

async function migrate([direction = '', ...rest]: string[], environment: Environment): Promise<string> {
  if (rest.length > 0 || !['up', 'down', 'status'].includes(direction)) {
    throw new UsageError('Usage: dragonfly migrate up|down|status');
  }
  const config = loadConfig(['migrate'], environment);
  const { migrateDown, migrateToLatest, migrationStatus } =
    await import('#src/adapters/outbound/postgres/migrator.ts');
  const options = {
    databaseUrl: config.DRAGONFLY_OWNER_DATABASE_URL,
    startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
    roles: {
      api: config.DRAGONFLY_API_ROLE,
      worker: config.DRAGONFLY_WORKER_ROLE,
      readonly: config.DRAGONFLY_READONLY_ROLE,
    },
  };
  if (direction === 'up') return report('applied', (await migrateToLatest(options)).applied);
  if (direction === 'down') {
    if (config.DRAGONFLY_ENV === 'prod')
      throw new UsageError('In prod a rollback is a new migration (DATA-2).');
    return report('reverted', (await migrateDown(options)).reverted);
  }
  const status = await migrationStatus(options);
  return status
    .map(({ name, appliedAt }) => `${appliedAt?.toISOString() ?? 'pending'.padEnd(24)}  ${name}`)
    .join('\n');
}

const report = (verb: string, names: readonly string[]): string =>
  names.length === 0 ? 'nothing to do' : names.map((name) => `${verb} ${name}`).join('\n');

async function roles(args: string[], environment: Environment): Promise<string> {
  if (args.length > 0) throw new UsageError('Usage: dragonfly roles');
  const config = loadConfig(['roles'], environment);
  const { bootstrapRoles } = await import('#src/adapters/outbound/postgres/bootstrap-roles.ts');
  const owner = new URL(config.DRAGONFLY_OWNER_DATABASE_URL);
  await bootstrapRoles({
    adminUrl: config.DRAGONFLY_ADMIN_DATABASE_URL,
    startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
    database: decodeURIComponent(owner.pathname.slice(1)),
    owner: credentials(config.DRAGONFLY_OWNER_DATABASE_URL),
    api: credentials(config.DRAGONFLY_API_DATABASE_URL),
    worker: credentials(config.DRAGONFLY_WORKER_DATABASE_URL),
    readonly: { name: config.DRAGONFLY_READONLY_ROLE },
  });
  const { readGrants } = await import('#src/adapters/outbound/postgres/grants.ts');
  const { query } = await import('#src/adapters/outbound/postgres/pool.ts');
  const { withPool } = await import('#src/adapters/outbound/postgres/with-pool.ts');
  const grants = await withPool(
    { url: config.DRAGONFLY_OWNER_DATABASE_URL },
    'dragonfly-roles',
    async (pool) => readGrants(async (statement) => await query(pool, statement)),
  );
  return ['roles and database are there; what they may do:', ...grants.map(grantLine)].join('\n');
}

const grantLine = ({ role, kind, object, privileges }: Grant): string =>
  `${role.padEnd(24)} ${kind.padEnd(9)} ${privileges.padEnd(16)} ${object}`;

const credentials = (url: string) => {
  const { username, password } = new URL(url);
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
};

const isKeyRole = (text: string): text is KeyRole => (KEY_ROLES as readonly string[]).includes(text);

const HOUR_MS = 3_600_000;

const KEYS_USAGE = `Usage: dragonfly keys create --organization NAME --name NAME [--role ROLE] [--hours 1…2160]
       dragonfly keys revoke --organization NAME --name NAME`;
const KEY_NAME = { organization: { type: 'string' }, name: { type: 'string' } } as const;

async function keys([action, ...args]: string[], environment: Environment): Promise<string> {
  if (action === 'create') return await createKey(args, environment);
  if (action === 'revoke') return await revokeKey(args, environment);
  throw new UsageError(KEYS_USAGE);
}

async function createKey(args: string[], environment: Environment): Promise<string> {
  const { organization, name, role, hours } = parse(KEYS_USAGE, args, {
    ...KEY_NAME,
    role: { type: 'string', default: 'service' },
    hours: { type: 'string', default: '2160' },
  });
  if (!organization || !name || !/^\d{1,4}$/.test(hours) || Number(hours) < 1 || Number(hours) > 2160) {
    throw new UsageError(KEYS_USAGE);
  }
  if (!isKeyRole(role)) throw new UsageError(`The role ${role} is none of ${KEY_ROLES.join(', ')}.`);
  const { issueApiKey } = await import('./keys.ts');
  const { key } = await issueApiKey({
    ...keyDatabase(environment),
    organization,
    name,
    role,
    lifetimeMs: Number(hours) * HOUR_MS,
  });
  return key;
}

async function revokeKey(args: string[], environment: Environment): Promise<string> {
  const { organization, name } = parse(KEYS_USAGE, args, KEY_NAME);
  if (!organization || !name) throw new UsageError(KEYS_USAGE);
  const { revokeApiKey } = await import('#src/adapters/outbound/postgres/api-keys.ts');
  if (!(await revokeApiKey({ ...keyDatabase(environment), organization, name }))) {
    throw new Error(`The organisation ${organization} has no live key of the name ${name}.`);
  }
  return 'revoked; the API forgets it within DRAGONFLY_API_KEY_CACHE_TTL';
}

function keyDatabase(environment: Environment) {
  const config = loadConfig(['keys'], environment);
  return {
    databaseUrl: config.DRAGONFLY_OWNER_DATABASE_URL,
    startTimeoutMs: config.DRAGONFLY_START_TIMEOUT,
  };
}

async function webhookSecret(args: string[], environment: Environment): Promise<string> {
  const usage = 'Usage: dragonfly webhook-secret --organization ID (a UUID, not a name)';
  const { organization } = parse(usage, args, { organization: { type: 'string' } });
  // Any text would give a secret, and only the organisation's own id the right one.
  if (!organization || !UUID.test(organization)) throw new UsageError(usage);
  const config = loadConfig(['webhook-secret'], environment);
  const { signingSecret } = await import('#src/adapters/outbound/webhook/signing-secret.ts');
  return signingSecret(config.DRAGONFLY_WEBHOOK_SECRET[0], organization);
}

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

async function config(args: string[], environment: Environment): Promise<string> {
  const [name = 'all', ...rest] = args.filter((arg) => arg !== '--json');
  const roles = name === 'all' ? (['api', 'worker'] as const) : [name].filter(isRole);
  if (roles.length === 0 || rest.length > 0) {
    throw new UsageError(`Usage: dragonfly config [--json] [all|${ROLES.join('|')}]`);
  }
  const { showConfig } = await import('./show-config.ts');
  return showConfig(roles, environment, args.includes('--json'));
}
