import { parseArgs } from 'node:util';
import { type Environment, loadConfig } from '#src/config/load.ts';

/** A command-line mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Command = (args: string[], environment: Environment) => Promise<string>;

/** Each command prints what it returns. Modules are loaded by the command that needs them. */
export const commands: Readonly<Record<string, Command>> = {
  migrate,
  roles,
  keys,
  'webhook-secret': webhookSecret,
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
  return 'roles and database are there';
}

const credentials = (url: string) => {
  const { username, password } = new URL(url);
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
};

const HOUR_MS = 3_600_000;

const KEYS_USAGE = `Usage: dragonfly keys create --organization NAME --name NAME [--hours 1…2160]
       dragonfly keys revoke --organization NAME --name NAME`;
const KEY_NAME = { organization: { type: 'string' }, name: { type: 'string' } } as const;

async function keys([action, ...args]: string[], environment: Environment): Promise<string> {
  if (action === 'create') return await createKey(args, environment);
  if (action === 'revoke') return await revokeKey(args, environment);
  throw new UsageError(KEYS_USAGE);
}

async function createKey(args: string[], environment: Environment): Promise<string> {
  const { organization, name, hours } = parse(KEYS_USAGE, args, {
    ...KEY_NAME,
    hours: { type: 'string', default: '2160' },
  });
  if (!organization || !name || !/^\d{1,4}$/.test(hours) || Number(hours) < 1 || Number(hours) > 2160) {
    throw new UsageError(KEYS_USAGE);
  }
  const { issueApiKey } = await import('./keys.ts');
  const { key } = await issueApiKey({
    ...keyDatabase(environment),
    organization,
    name,
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

/** Any text would give a secret, and only the organisation's own id the right one. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function webhookSecret(args: string[], environment: Environment): Promise<string> {
  const usage = 'Usage: dragonfly webhook-secret --organization ID (a UUID, not a name)';
  const { organization } = parse(usage, args, { organization: { type: 'string' } });
  if (!organization || !UUID.test(organization)) throw new UsageError(usage);
  const config = loadConfig(['webhook-secret'], environment);
  const { signingSecret } = await import('#src/adapters/outbound/webhook/signing-secret.ts');
  return signingSecret(config.DRAGONFLY_WEBHOOK_SECRET, organization);
}

type Options = Record<string, { type: 'string'; default?: string }>;

function parse<T extends Options>(usage: string, args: string[], options: T) {
  try {
    return parseArgs({ args, options, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`, {
      cause: error,
    });
  }
}
