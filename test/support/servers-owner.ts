/** Starts an embedded PostgreSQL in the folder that is its argument, prints its URL, and owns it until it is killed. */
import { startEmbeddedPostgres } from '#dev/servers/embedded-postgres.ts';

const [directory = ''] = process.argv.slice(2);
const server = await startEmbeddedPostgres({ directory });
console.log(server?.url);
