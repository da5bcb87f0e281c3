import { ROLES, type Role } from '#src/domain/access/permission.ts';
import { revokeApiKey } from '#src/adapters/outbound/postgres/api-keys.ts';
import { toApiKey } from '#src/adapters/inbound/http/schemas/api-key.ts';
import { listApiKeys, rotateApiKey } from '#src/composition/key-administration.ts';
import { issueApiKey } from '#src/composition/keys.ts';
import { MAX_LIFETIME_DAYS, OVERLAP_HOURS } from '#src/domain/access/api-key.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { UsageError, defineCommand, defineGroup } from '../command.ts';
import { fieldsTable } from '../table.ts';
import { UUID } from '../uuid.ts';

const HOUR_MS = 3_600_000;
const SHOWN = ['organization', 'name', 'id', 'role', 'scopes', 'expires_at', 'revoked_at', 'last_used_at'];
const KEY_NAME = { organization: { type: 'string' }, name: { type: 'string' } } as const;

export const command = defineGroup({
  create: defineCommand({
    usage: ['--organization NAME --name NAME [--role ROLE] [--hours 1…2160]'],
    examples: ['dragonfly keys create --organization acme --name ops --role admin --hours 24'],
    options: {
      ...KEY_NAME,
      role: { type: 'string', default: 'service' },
      hours: { type: 'string', default: '2160' },
    },
    permission: 'keys:write',
    run: async ({ options: { role, hours, ...names }, environment }) => {
      if (!isRole(role)) throw new UsageError(`The role ${role} is none of ${ROLES.join(', ')}.`);
      const { key, organizationId } = await issueApiKey({
        ...named(names),
        ...databaseOf(environment),
        role,
        lifetimeMs: wholeNumber('--hours', hours, 1, 24 * MAX_LIFETIME_DAYS) * HOUR_MS,
      });
      return { text: key, data: { key, organization_id: organizationId } };
    },
  }),
  list: defineCommand({
    usage: ['[--organization NAME]'],
    examples: ['dragonfly keys list --organization acme'],
    options: { organization: { type: 'string' } },
    permission: 'platform:read',
    run: async ({ options: { organization }, environment }) => {
      const listed = await listApiKeys(ownerOf(environment), organization);
      const keys = listed.map(({ organization: of, key }) =>
        Object.assign({ organization: of }, toApiKey(key)),
      );
      return { text: fieldsTable(SHOWN, keys), data: keys };
    },
  }),
  rotate: defineCommand({
    usage: ['ID --organization NAME [--days 1…90] [--overlap-hours 0…24]'],
    examples: ['dragonfly keys rotate 019c1222-7c00-7d3b-9a54-3f1c6a2e8b91 --organization acme'],
    options: {
      organization: { type: 'string' },
      days: { type: 'string', default: String(MAX_LIFETIME_DAYS) },
      'overlap-hours': { type: 'string', default: String(OVERLAP_HOURS.default) },
    },
    permission: 'keys:write',
    positionals: 1,
    run: async ({ options, positionals: [id = ''], environment }) => {
      const { organization } = options;
      if (!UUID.test(id) || !organization)
        throw new UsageError('The ID of a key, as `keys list` shows it, and --organization are needed.');
      const { key, secret } = await rotateApiKey(ownerOf(environment), organization, {
        id,
        lifetimeDays: wholeNumber('--days', options.days, 1, MAX_LIFETIME_DAYS),
        overlapHours: wholeNumber('--overlap-hours', options['overlap-hours'], 0, OVERLAP_HOURS.most),
      });
      return { text: secret, data: { organization, ...toApiKey(key), key: secret } };
    },
  }),
  revoke: defineCommand({
    usage: ['--organization NAME --name NAME'],
    examples: ['dragonfly keys revoke --organization acme --name ops'],
    options: KEY_NAME,
    permission: 'keys:write',
    run: async ({ options, environment }) => {
      const { organization, name } = named(options);
      if (!(await revokeApiKey({ ...databaseOf(environment), organization, name }))) {
        throw new Error(`The organisation ${organization} has no live key of the name ${name}.`);
      }
      return {
        text: 'revoked; the API forgets it within DRAGONFLY_API_KEY_CACHE_TTL',
        data: { revoked: true },
      };
    },
  }),
});

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

function named({ organization, name }: { organization?: string | undefined; name?: string | undefined }) {
  if (!organization || !name) throw new UsageError('--organization and --name are needed.');
  return { organization, name };
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option}: ${least} to ${most}.`);
}

function databaseOf(environment: Environment) {
  const { url: databaseUrl, startTimeoutMs } = ownerOf(environment);
  return { databaseUrl, startTimeoutMs };
}

function ownerOf(environment: Environment) {
  const config = loadConfig(['keys'], environment);
  return { url: config.DRAGONFLY_OWNER_DATABASE_URL, startTimeoutMs: config.DRAGONFLY_START_TIMEOUT };
}
