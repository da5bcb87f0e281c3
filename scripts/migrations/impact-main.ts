import { resolve } from 'node:path';
import { readMigrations, readPrepared } from '#src/adapters/outbound/postgres/migrations.ts';
import { contractTests } from './contract-tests.ts';
import { statementsOfMigration } from './impact.ts';

/** What the migrations do that are named, as JSON: all without a name. */
const checkout = process.cwd();
const folder = resolve(checkout, 'migrations');
const [, , ...wanted] = process.argv;

const [migrations, prepared, tests] = await Promise.all([
  readMigrations(folder),
  readPrepared(folder),
  contractTests(checkout),
]);
const chosen = migrations.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
console.log(JSON.stringify(chosen.map((migration) => statementsOfMigration(migration, prepared, tests))));
