import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readMigrations, readPrepared } from '#src/adapters/outbound/postgres/migrations.ts';
import { changeOf, untestedChanges } from './contract-tests.ts';
import { lintMigrations, preparedFaults } from './lint.ts';
import { releasedMigrations } from './released.ts';

/** The migrations of the checkout, looked at before anybody runs them (docs/runbooks/migrations.md). */
const checkout = process.cwd();
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });

const migrations = await readMigrations(resolve(checkout, 'migrations'));
const released = await releasedMigrations(checkout);
const prepared = await readPrepared(resolve(checkout, 'migrations'));
const faults = [
  ...lintMigrations([...migrations, ...prepared], released.migrations),
  ...preparedFaults(prepared, migrations),
];
const change = await changeOf(checkout, migrations);
if (change && faults.every(({ rule }) => rule !== 'syntax')) faults.push(...untestedChanges(change));
const since = released.tag ?? 'the beginning: there is no release yet';

if (values.json) console.log(JSON.stringify({ since, faults }));
else {
  for (const { place, rule, message } of faults) console.error(`migrations/${place}: ${rule}: ${message}`);
  console.log(`${migrations.length} migrations, ${faults.length} faults; what is new is so since ${since}.`);
}
if (faults.length > 0) process.exitCode = 1;
