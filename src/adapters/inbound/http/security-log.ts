import type { FastifyBaseLogger } from 'fastify';
import { Counter, type Registry } from 'prom-client';

/** `error` for what may be an attack, `warn` for what may be a mistake. */
type Level = 'error' | 'warn';

export interface SecurityEvent {
  readonly event: string;
  /** Of a request, with the address that it came from. */
  readonly route?: string;
  readonly address?: string;
  /** Of the command line. */
  readonly command?: string;
  readonly actor?: string | undefined;
  readonly detail?: string | undefined;
}

export interface SecurityLog {
  /** @param log of the request, if it is one, which has its trace id */
  report(log: FastifyBaseLogger, level: Level, event: SecurityEvent): void;
  /** Says what is not said yet. */
  stop(): void;
}

/** Lines of one kind a minute, of each process: enough to see who it is, too few to fill a disk or to hide other lines. */
const LINES = 60;
const WINDOW_MS = 60_000;

interface Window {
  lines: number;
  suppressed: number;
  readonly end: () => void;
}

/**
 * SEC-4: security events as lines of the log, and all of them as counters. A flood of one kind gives so many lines a minute,
 * then one line that says how many there were beside.
 */
export function createSecurityLog(registry: Registry, logger: FastifyBaseLogger): SecurityLog {
  const windows = new Map<string, Window>();
  const reported = counter(registry, 'security_events_total', 'Security events, by kind.');
  const suppressed = counter(
    registry,
    'security_events_suppressed_total',
    'Security events without a line of their own, because there were too many of the kind.',
  );

  function open(kind: string, level: Level, event: string): Window {
    const timer = setTimeout(() => {
      window.end();
    }, WINDOW_MS).unref();
    const window: Window = {
      lines: 0,
      suppressed: 0,
      end() {
        clearTimeout(timer);
        windows.delete(kind);
        if (window.suppressed === 0) return;
        logger[level]({ event, suppressed: window.suppressed }, 'security violations suppressed');
      },
    };
    windows.set(kind, window);
    // The series is there before there is anything to count in it.
    suppressed.inc({ event }, 0);
    return window;
  }

  return {
    report(log, level, fields) {
      const { event } = fields;
      const kind = `${level} ${event}`;
      reported.inc({ event });
      const window = windows.get(kind) ?? open(kind, level, event);
      if (window.lines < LINES) {
        window.lines += 1;
        log[level](fields, 'security violation');
      } else {
        window.suppressed += 1;
        suppressed.inc({ event });
      }
    },
    stop() {
      for (const window of windows.values()) window.end();
    },
  };
}

const counter = (registry: Registry, name: string, help: string) =>
  new Counter({ name, help, labelNames: ['event'], registers: [registry] });
