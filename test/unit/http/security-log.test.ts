import { createSecurityLog } from '#src/adapters/inbound/http/security-log.ts';
import { createLogger } from '#src/adapters/outbound/telemetry/logger.ts';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { GIT_SHA, type LogLine, UNKNOWN_KEY, testApi } from './setup.ts';

function setUp() {
  const lines: LogLine[] = [];
  const registry = new Registry();
  const logger = createLogger(
    { level: 'info', service: 'dragonfly-test', gitSha: GIT_SHA },
    { write: (line) => lines.push(JSON.parse(line) as LogLine) },
  );
  const security = createSecurityLog(registry, logger);
  const report = (times: number, level: 'error' | 'warn', event: string): void => {
    for (let time = 0; time < times; time += 1) {
      security.report(logger, level, { event, route: '/v1/jobs', address: '192.0.2.1' });
    }
  };
  const summaries = (): LogLine[] =>
    lines.filter(({ message }) => message === 'security violations suppressed');
  return { lines, registry, security, report, summaries };
}

describe('[SEC-4] a flood of security events', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
  });

  it('has so many lines of a kind a minute, then one that says how many more there were', () => {
    const { lines, report, summaries } = setUp();
    report(1000, 'error', 'permission_denied');
    expect(lines).toHaveLength(60);
    vi.advanceTimersByTime(60_000);
    expect(summaries()).toEqual([
      expect.objectContaining({ level: 'ERROR', event: 'permission_denied', suppressed: 940 }),
    ]);
    report(1, 'error', 'permission_denied');
    expect(lines.at(-1)).toMatchObject({ message: 'security violation' });
    vi.advanceTimersByTime(600_000);
    expect(lines).toHaveLength(62);
  });

  it('hides no event of another kind or level', () => {
    const { lines, report } = setUp();
    report(1000, 'warn', 'authentication_failed');
    report(1, 'error', 'authentication_failed');
    report(1, 'error', 'privilege_escalation');
    expect(lines.slice(-2)).toMatchObject([
      { level: 'ERROR', event: 'authentication_failed' },
      { level: 'ERROR', event: 'privilege_escalation' },
    ]);
  });

  it('is counted as a whole', async () => {
    const { registry, report } = setUp();
    report(1000, 'error', 'permission_denied');
    const metrics = await registry.metrics();
    expect(metrics).toContain('security_events_total{event="permission_denied"} 1000');
    expect(metrics).toContain('security_events_suppressed_total{event="permission_denied"} 940');
  });

  it('has its last line when the service stops, once', () => {
    const { report, security, summaries } = setUp();
    report(61, 'warn', 'authentication_failed');
    security.stop();
    security.stop();
    vi.advanceTimersByTime(60_000);
    expect(summaries()).toEqual([expect.objectContaining({ level: 'WARNING', suppressed: 1 })]);
  });
});

it.for([
  ['unknown keys', { authorization: `Bearer ${UNKNOWN_KEY}` }, 401, 'authentication_failed'],
  ['denials', {}, 403, 'permission_denied'],
] as const)(
  '[SEC-4] a flood of %s over HTTP is bounded in the log and whole in the counters',
  async ([, headers, status, event]) => {
    const { request, logLines, registry } = await testApi({ role: 'viewer' });
    for (let time = 0; time < 100; time += 1) {
      const response = await request({ method: 'POST', url: '/v1/queues/webhook.deliver/pause', headers });
      expect(response.statusCode).toBe(status);
    }
    expect(logLines().filter(({ message }) => message === 'security violation')).toHaveLength(60);
    expect(await registry.metrics()).toContain(`security_events_total{event="${event}"} 100`);
  },
);
