import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { httpCaller } from '#src/adapters/outbound/http-client/caller.ts';
import { smoke } from '#src/application/smoke/smoke.ts';
import { type Environment, loadConfig } from '#src/config/load.ts';
import { duration } from '#src/config/variable.ts';
import { UsageError, defineCommand } from '../command.ts';
import { findingsOutcome } from '../findings.ts';
import { baseOf, originOf } from '../service-address.ts';

const text = { type: 'string' } as const;

export const command = defineCommand({
  usage: [
    '--url URL [--metrics-url URL] [--sha COMMIT] [--allowed-origin ORIGIN|none] [--key-file FILE] [--wait 60s]',
  ],
  examples: [
    'dragonfly smoke --url https://api.example.com --sha "$(git rev-parse HEAD)" --allowed-origin none --key-file /run/secrets/smoke-key --strict',
  ],
  options: {
    url: text,
    'metrics-url': text,
    sha: text,
    'allowed-origin': text,
    'key-file': text,
    wait: { ...text, default: '60s' },
  },
  permission: 'platform:read',
  run: async ({ options, environment, progress }) => {
    const target = {
      url: baseOf('--url', options.url),
      metricsUrl: options['metrics-url'] && baseOf('--metrics-url', options['metrics-url']),
      sha: commitOf(options.sha),
      allowedOrigin: originOf(options['allowed-origin']),
      securityHeaders: SECURITY_HEADERS,
    };
    const wait = duration().safeParse(options.wait);
    if (!wait.success) throw new UsageError('--wait: a duration such as 90s, from 0s to 1h.');
    const key = keyOf(options['key-file'], environment);
    const http = httpCaller();
    try {
      const clock = { now: () => performance.now(), sleep: async (ms: number) => await sleep(ms) };
      const tools = { http, clock, nonce: randomUUID(), progress };
      return findingsOutcome(await smoke({ ...target, key }, wait.data, tools));
    } finally {
      await http.close();
    }
  },
});

function commitOf(sha: string | undefined): string | undefined {
  if (sha !== undefined && !/^[0-9a-f]{40}$/.test(sha))
    throw new UsageError('--sha: the full hash of a commit, 40 hexadecimal digits.');
  return sha;
}

/** By the schema of the environment, which says what is wrong with it. */
function keyOf(file: string | undefined, environment: Environment): string | undefined {
  const given =
    file === undefined
      ? environment
      : { ...environment, DRAGONFLY_SMOKE_KEY: undefined, DRAGONFLY_SMOKE_KEY_FILE: file };
  const { DRAGONFLY_SMOKE_KEY: key } = loadConfig(['smoke'], given);
  if (file !== undefined && key === undefined) throw new UsageError(`--key-file: ${file} is not there.`);
  return key;
}
