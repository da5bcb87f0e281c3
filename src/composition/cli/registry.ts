import type { SERVING } from '../serving.ts';
import type { Command, Group } from './command.ts';

interface Entry {
  /** One line of the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command | Group }>;
}

const serving = (name: keyof typeof SERVING, what: string): Entry => ({
  summary: `serves ${what}, until SIGTERM`,
  load: async () => ({ command: (await import('./commands/serve.ts')).serveAs(name) }),
});

/** All commands, in the order of the help. Each is loaded when it is called. */
export const registry: Readonly<Record<string, Entry>> = {
  api: serving('api', 'the API'),
  worker: serving('worker', 'the queues'),
  all: serving('all', 'both, in one process'),
  migrate: { summary: 'the schema of the database', load: () => import('./commands/migrate.ts') },
  roles: {
    summary: 'database and database roles, as its administrator',
    load: () => import('./commands/roles.ts'),
  },
  keys: { summary: 'the API keys of an organisation', load: () => import('./commands/keys.ts') },
  'schema-check': {
    summary: 'a live database against the migrations, object by object',
    load: () => import('./commands/schema-check.ts'),
  },
  'env-doctor': {
    summary: 'the variables of an environment against the schema; no values',
    load: () => import('./commands/env-doctor.ts'),
  },
  doctor: {
    summary: 'what of database, Redis, queue and secrets needs somebody',
    load: () => import('./commands/doctor.ts'),
  },
  'security-audit': {
    summary: 'what of the security laws can be checked on a live system',
    load: () => import('./commands/security-audit.ts'),
  },
  jobs: {
    summary: 'jobs and queues of an organisation, over HTTP',
    load: () => import('./commands/jobs.ts'),
  },
  workers: {
    summary: 'the workers of the installation: drains, stops and resumes them',
    load: () => import('./commands/workers.ts'),
  },
  queues: {
    summary: 'freezes all queues of the installation, and unfreezes them',
    load: () => import('./commands/queues.ts'),
  },
  audit: { summary: 'the log of administrative acts', load: () => import('./commands/audit.ts') },
  'webhook-secret': {
    summary: 'what a receiver verifies the webhooks of an organisation with',
    load: () => import('./commands/webhook-secret.ts'),
  },
  config: {
    summary: 'what a role would start with and where from; of secrets no value',
    load: () => import('./commands/config.ts'),
  },
  openapi: { summary: 'the contract of the API', load: () => import('./commands/openapi.ts') },
  backup: { summary: 'dumps the database into a folder', load: () => import('./commands/backup.ts') },
  restore: {
    summary: 'fills a database from a backup, or checks the backup',
    load: () => import('./commands/restore.ts'),
  },
  gate: {
    summary: 'whether a release may go to an environment; in a checkout',
    load: () => import('./commands/gate.ts'),
  },
  smoke: {
    summary: 'whether a deployment serves as it should, over HTTP',
    load: () => import('./commands/smoke.ts'),
  },
  release: {
    summary: 'brings a commit to an environment, or goes back; in a checkout',
    load: () => import('./commands/release.ts'),
  },
  rollback: {
    summary: 'goes back to the last good commit; in a checkout',
    load: () => import('./commands/rollback.ts'),
  },
  deployments: {
    summary: 'the log of releases and rollbacks',
    load: () => import('./commands/deployments.ts'),
  },
  constitution: {
    summary: 'the laws, what enforces them and what became of that; in a checkout',
    load: () => import('./commands/constitution.ts'),
  },
};
