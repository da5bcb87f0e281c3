/*
 * A worker as a process of its own, to be killed: `node test/support/worker-process.ts <url of the worker role>`.
 * Prints a line when it works.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { job, workerOn } from './worker.ts';

const [, , url = ''] = process.argv;
const worker = workerOn(url, [job('nap', async (payload) => await sleep(Number(payload), null))]);
await worker.start();
console.log('working');
