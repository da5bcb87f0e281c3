/** One job of the demo: what is queued, how the receiver answers, and how it must end. */
export interface Scene {
  readonly title: string;
  /** Path at the receiver, unique to the scene. */
  readonly path: string;
  /** Answers in turn; the last one is repeated. */
  readonly answers: readonly { readonly status: number; readonly afterMs?: number }[];
  readonly priority?: number;
  readonly delayMs?: number;
  readonly ends: { readonly status: 'completed' | 'failed'; readonly attempts: number };
}

const SLOW_MS = 800;
const completed = { status: 'completed', attempts: 1 } as const;

/** Queued in this order for a worker that runs one job at a time. */
export const SCENES: readonly Scene[] = [
  {
    title: 'slow delivery',
    path: '/slow',
    answers: [{ status: 204, afterMs: SLOW_MS }],
    ends: completed,
  },
  { title: 'waits its turn', path: '/waits', answers: [{ status: 204, afterMs: SLOW_MS }], ends: completed },
  {
    title: 'urgent, overtakes',
    path: '/urgent',
    answers: [{ status: 204 }],
    priority: 100,
    ends: completed,
  },
  {
    title: 'fails once, retried',
    path: '/retried',
    answers: [{ status: 503 }, { status: 204 }],
    ends: { status: 'completed', attempts: 2 },
  },
  {
    title: 'refused, dead letter',
    path: '/refused',
    answers: [{ status: 410 }],
    ends: { status: 'failed', attempts: 1 },
  },
  {
    title: 'delayed by 3 s',
    path: '/delayed',
    answers: [{ status: 204 }],
    delayMs: 3000,
    ends: completed,
  },
];
