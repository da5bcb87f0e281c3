import type { Pool } from 'pg';
import { Counter, Gauge, type Registry } from 'prom-client';
import { type SqlQuery, query } from './pool.ts';

const INTERVAL_MS = 5000;
const MOST_ENTRIES = 500;

const SEAL: SqlQuery = {
  name: 'seal_audit_log',
  text: 'select seq, entries, hash from ops.seal_audit_log($1)',
  values: [MOST_ENTRIES],
};
const AGE: SqlQuery = {
  name: 'audit_unsealed_age',
  text: 'select ops.audit_unsealed_age() as age',
  values: [],
};

export interface NewSeal {
  readonly seq: number;
  readonly entries: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

interface SealerOptions {
  readonly pool: Pool;
  readonly metrics: Registry;
  readonly onSeal: (seal: NewSeal) => void;
  /** The first of failures in a row, of sealing or of looking; it goes on trying. */
  readonly onFailure: (error: unknown) => void;
  readonly onRecovery: () => void;
}

/** Seals the audit log every 5 s until nothing is left to seal; of many replicas one does it at a time. */
export function auditSealer({ pool, metrics, onSeal, onFailure, onRecovery }: SealerOptions) {
  const seals = new Counter({
    name: 'audit_seals_total',
    help: 'Seals of the audit log that this process made.',
    registers: [metrics],
  });
  const unsealed = new Gauge({
    name: 'audit_unsealed_age_seconds',
    help: 'How long the oldest entry of the audit log has been without a seal, 0 when all have one; missing when unknown.',
    registers: [metrics],
    collect: observe,
  });
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let failing = false;

  async function observe(): Promise<void> {
    try {
      const [row] = await query(pool, AGE);
      unsealed.set(Number(row?.['age']));
    } catch (error) {
      unsealed.remove();
      noteFailure(error);
    }
  }

  function noteFailure(error: unknown): void {
    if (!failing) onFailure(error);
    failing = true;
  }

  async function run(): Promise<void> {
    try {
      for (let seal = await next(pool); seal; seal = timer && (await next(pool))) {
        seals.inc();
        onSeal(seal);
      }
      if (failing) onRecovery();
      failing = false;
    } catch (error) {
      noteFailure(error);
    }
  }

  async function seal(): Promise<void> {
    running ??= run().finally(() => (running = undefined));
    await running;
  }

  return {
    start(): void {
      timer = setInterval(() => void seal(), INTERVAL_MS).unref();
    },
    /** Seals a last time, unless that failed the last time. */
    async stop(): Promise<void> {
      clearInterval(timer);
      timer = undefined;
      await (failing ? running : seal());
    },
  };
}

async function next(pool: Pool): Promise<NewSeal | undefined> {
  const [row] = await query(pool, SEAL);
  if (!row || row['seq'] === null) return undefined;
  return { seq: Number(row['seq']), entries: row['entries'] as number, hash: row['hash'] as string };
}
