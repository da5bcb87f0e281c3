import { pause } from '#src/adapters/inbound/worker/pause.ts';
import type { Client } from 'pg';
import type { Halt, Span } from './facts.ts';
import type { Fault } from './faults.ts';
import { freezeQueues, pauseQueue, redriveJobs, resumeQueue, unfreezeQueues } from './queue.ts';
import { type ChaosServer, ORGANIZATIONS, actingFor, isFault, withClient } from './server.ts';

/** Dead letters that were queued again. */
export interface Redrives {
  /** As clients were told. */
  told: number;
  /** As they asked for at most, without an answer. */
  unanswered: number;
}

/** What clients and operators do to whole queues. Notes when nothing may be claimed, and how much was redriven. */
export const operatorFaults = (server: ChaosServer, halts: Halt[], redrives: Redrives): Fault[] => [
  {
    name: 'queue of an organisation paused, and resumed',
    rest: [4, 8],
    async strike(random, over) {
      const organization = random.between(0, ORGANIZATIONS.length - 1);
      const url = actingFor(organization, server.urls.api);
      const lasting = async () => await pause(300 + random.next() * 700, over);
      const span = await halt(url, { begin: pauseQueue, lasting, end: resumeQueue });
      halts.push({ ...span, organization });
    },
  },
  {
    name: 'all queues frozen, and unfrozen',
    rest: [10, 20],
    async strike(random, over) {
      const lasting = async () => await pause(200 + random.next() * 300, over);
      const span = await halt(server.urls.owner, { begin: freezeQueues, lasting, end: unfreezeQueues });
      halts.push({ ...span, organization: undefined });
    },
  },
  {
    name: 'dead letters redriven in bulk',
    rest: [2, 5],
    async strike(random) {
      const url = actingFor(random.between(0, ORGANIZATIONS.length - 1), server.urls.api);
      const most = random.between(1, 100);
      const count = await withClient(url, async (client) => {
        redrives.unanswered += most;
        const jobs = await redriveJobs(client, most);
        redrives.unanswered -= most;
        return jobs;
      });
      redrives.told += count;
      if (count === 0) throw new Error('There is no dead letter yet.');
    },
  },
];

interface Halting {
  begin(client: Client): Promise<void>;
  lasting(): Promise<void>;
  end(client: Client): Promise<void>;
}

/** Ends it even if the answer to its beginning was lost. @returns when it surely held */
async function halt(url: string, { begin, lasting, end }: Halting): Promise<Span> {
  try {
    await withClient(url, begin);
    const fromMs = Date.now();
    await lasting();
    return { fromMs, toMs: Date.now() };
  } finally {
    await untilDone(async () => await withClient(url, end));
  }
}

/** Tries again what another fault prevents. */
async function untilDone(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isFault(error)) throw error;
      await pause(100, new AbortController().signal);
    }
  }
}
