import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GateCheck } from '#src/application/gate/check.ts';
import { processesOf } from '../../support/processes.ts';
import { git } from '../constitution/checkout.ts';
import { check, gate, scratchCheckout } from './scratch.ts';

const PASS = 'process.exit(0)';
const report = (status: string, ...severities: string[]): string =>
  JSON.stringify({
    status,
    findings: severities.map((severity) => ({ check: 'a', severity, summary: 'b' })),
  });
const finds = (text: string, code = 0): string =>
  `console.log(${JSON.stringify(text)}); process.exit(${code})`;
/** Finds nothing bad where a condition on its environment holds. */
const findsWhere = (condition: string): string =>
  `const e = process.env; if (${condition}) { ${finds(report('pass', 'ok'))} } process.exit(3)`;
const FINDINGS = { verdict: 'findings' } as const;

const verdictsOf = async (...table: GateCheck[]) => {
  const { passed, checks, findings } = await gate(await scratchCheckout(), { table });
  const [first] = checks;
  return {
    passed,
    verdict: first?.verdict,
    summary: findings[0]?.summary,
    explanation: findings[0]?.explanation,
  };
};

describe('[DEP-2] a check of the gate', () => {
  it.each<[string, GateCheck, string]>([
    ['exits with 0', check('a', PASS), 'passed'],
    ['finds nothing bad', check('a', finds(report('pass', 'ok', 'ok')), FINDINGS), '2 looked at'],
  ])('passes when it %s', async (_, one, summary) => {
    const found = await verdictsOf(one);
    expect(found).toMatchObject({ passed: true, verdict: 'pass', explanation: undefined });
    expect(found.summary).toContain(summary);
  });

  it.each<[string, GateCheck, string]>([
    ['exits with 1', check('a', 'console.error("why"); process.exit(1)'), 'exit code 1'],
    ['could not look', check('a', 'process.exit(77)'), 'could not look'],
    ['is killed', check('a', 'process.kill(process.pid, "SIGKILL")'), 'ended by signal 9'],
    ['crashes', check('a', 'process.abort()'), 'ended by signal 6'],
    ['has no program', check('a', '', { command: ['no-such-program-of-the-gate'] }), 'cannot be started'],
    ['hangs', check('a', 'setInterval(() => {}, 1e6)', { timeoutMs: 400 }), 'had not ended after 0.4 s'],
    [
      'hangs and ends well when it is asked to',
      check('a', 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6)', {
        timeoutMs: 800,
      }),
      'had not ended',
    ],
    ['prints no findings', check('a', finds('hello'), FINDINGS), 'no findings'],
    ['prints nothing', check('a', PASS, FINDINGS), 'no findings'],
    ['looked at nothing', check('a', finds(report('pass')), FINDINGS), 'no findings'],
    ['finds something critical', check('a', finds(report('fail', 'ok', 'critical'), 1), FINDINGS), 'a: b'],
    [
      'says that it passed, and exits with 1',
      check('a', finds(report('pass', 'ok'), 1), FINDINGS),
      'looked at',
    ],
    ['says that it failed, and exits with 0', check('a', finds(report('fail', 'ok')), FINDINGS), 'looked at'],
    ['hides what is critical', check('a', finds(report('pass', 'critical')), FINDINGS), 'a: b'],
  ])('fails when it %s', async (_, one, summary) => {
    const found = await verdictsOf(one);
    expect(found).toMatchObject({ passed: false, verdict: 'fail' });
    expect(found.summary).toContain(summary);
  });

  it('that ignores that it should end is killed, and what it started too', async () => {
    const root = await scratchCheckout();
    const stubborn = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6);';
    const program = `
      const child = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(stubborn)}]);
      require("fs").writeFileSync("pid", String(child.pid));
      ${stubborn}`;
    const { findings } = await gate(root, { table: [check('a', program, { timeoutMs: 1000 })] });
    expect(findings[0]?.summary).toContain('had not ended after 1 s');
    const pid = readFileSync(join(root, 'pid'), 'utf8');
    await expect.poll(() => processesOf(process.execPath).has(Number(pid))).toBe(false);
  });

  it('that warns passes, and fails with --strict', async () => {
    const root = await scratchCheckout();
    const table = [check('a', finds(report('warn', 'ok', 'warning')), FINDINGS)];
    expect(await gate(root, { table })).toMatchObject({ passed: true, status: 'warn' });
    expect(await gate(root, { table, strict: true })).toMatchObject({ passed: false, status: 'warn' });
  });

  it('that knows warnings by an option gets it with --strict', async () => {
    const root = await scratchCheckout();
    const table = [check('a', 'process.exit(process.argv.length > 1 ? 1 : 0)', { whenStrict: ['strict'] })];
    expect(await gate(root, { table })).toMatchObject({ passed: true });
    expect(await gate(root, { table, strict: true })).toMatchObject({ passed: false });
  });

  it('shows the end of what it printed, and where the whole is', async () => {
    const { findings } = await gate(await scratchCheckout(), {
      table: [check('a', 'console.log("out"); console.error("\\u001b[31merr\\u001b[39m"); process.exit(1)')],
    });
    const [, file = ''] = /whole output: (\S+)/.exec(findings[0]?.explanation ?? '') ?? [];
    expect(findings[0]?.explanation).toMatch(/^out\n +err\n/);
    expect(readFileSync(file, 'utf8')).toContain('out');
  });
});

describe('[DEP-2] the gate', () => {
  it('goes on after a failure, and fails', async () => {
    const table = [check('bad', 'process.exit(1)'), check('good', PASS)];
    const { passed, checks } = await gate(await scratchCheckout(), { table });
    expect(passed).toBe(false);
    expect(checks.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['bad', 'fail'],
      ['good', 'pass'],
    ]);
  });

  it('does not run what needs a check that failed, and counts it as failed', async () => {
    const root = await scratchCheckout();
    const mark = join(root, 'ran');
    const table = [
      check('first', 'process.exit(1)'),
      check('second', `require("fs").writeFileSync(${JSON.stringify(mark)}, "")`, { needs: ['first'] }),
      check('third', PASS, { needs: ['nobody'] }),
    ];
    const { findings } = await gate(root, { table });
    expect(findings[1]).toMatchObject({ severity: 'critical', summary: expect.stringContaining('needs') });
    expect(findings[2]).toMatchObject({ severity: 'critical' });
    expect(existsSync(mark)).toBe(false);
  });

  it('runs side by side, and alone what wants to be', async () => {
    const root = await scratchCheckout();
    const log = JSON.stringify(join(root, 'log'));
    const say = (name: string, ms: number) =>
      `const fs = require("fs"); fs.appendFileSync(${log}, "+${name}"); setTimeout(() => fs.appendFileSync(${log}, "-${name}"), ${ms});`;
    const table = [
      check('a', say('a', 900), { alone: true }),
      check('b', say('b', 1500)),
      check('c', say('c', 1500)),
      check('d', say('d', 100), { alone: true }),
    ];
    expect(await gate(root, { table })).toMatchObject({ passed: true });
    expect(readFileSync(join(root, 'log'), 'utf8')).toMatch(/^\+[bc]\+[bc]-[bc]-[bc]\+a-a\+d-d$/);
  });

  it('keeps the environment’s variables from the tests, and gives them to what looks at the environment', async () => {
    const environment = { PATH: process.env['PATH'], HOME: '/nowhere', DRAGONFLY_OWNER_DATABASE_URL: 'x' };
    const table = [
      check(
        'tests',
        findsWhere('!Object.keys(e).join().includes("DRAGONFLY") && e.HOME && e.REQUIRE_SERVICES'),
      ),
      check(
        'doctor',
        findsWhere(
          'e.DRAGONFLY_OWNER_DATABASE_URL && e.DRAGONFLY_ENV === "prod" && /^[0-9a-f]{40}$/.test(e.DRAGONFLY_GIT_SHA)',
        ),
        FINDINGS,
      ),
    ];
    expect(await gate(await scratchCheckout(), { table, environment })).toMatchObject({ passed: true });
  });

  it('records commit, hashes, verdicts and times', async () => {
    const root = await scratchCheckout();
    const sha = await git(root, 'rev-parse', 'HEAD');
    const table = [check('a', finds(report('warn', 'warning')), FINDINGS)];
    const clean = await gate(root, { table });
    expect(clean).toMatchObject({
      sha,
      env: 'prod',
      strict: false,
      passed: true,
      started_at: expect.stringMatching(/^\d{4}-.*Z$/),
      duration_ms: expect.any(Number),
      hashes: { 'package-lock.json': expect.stringMatching(/^[0-9a-f]{64}$/) },
      checks: [{ name: 'a', verdict: 'warn', duration_ms: expect.any(Number), findings: [{ check: 'a' }] }],
    });
    writeFileSync(join(root, 'migrations/1.up.sql'), 'select 2;');
    const dirty = await gate(root, { table });
    expect(dirty.sha).toBe(`${sha}-dirty`);
    expect(dirty.hashes.migrations).not.toBe(clean.hashes.migrations);
    expect(dirty.hashes['openapi/openapi.json']).toBe(clean.hashes['openapi/openapi.json']);
  });
});
