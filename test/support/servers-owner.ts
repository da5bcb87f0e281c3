/** Starts a PostgreSQL in the folder that is its argument, prints its URL, and owns it until it is killed. */
import { postgres } from '#dev/servers/postgres.ts';
import { requireServer } from '#dev/servers/resolve.ts';

const [directory = ''] = process.argv.slice(2);
const server = await requireServer(postgres, { directory, durable: true, containers: 'never' });
console.log(server.url);
