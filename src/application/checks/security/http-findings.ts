import { judgeDeniedOrigin } from '../../smoke/judge-cors.ts';
import { judgeProblem } from '../../smoke/judge-problem.ts';
import { judgeSecurityHeaders } from '../../smoke/judge.ts';
import type { HttpAnswer } from '../../smoke/ports.ts';
import type { Looked } from '../../smoke/round.ts';
import type { Finding } from '../finding.ts';
import { audited, none, notLookedAt } from './audited.ts';
import { FORGED_HOST, type HttpTarget, type Outside } from './look.ts';

const TELLING_HEADERS = ['server', 'x-powered-by', 'x-aspnet-version', 'x-runtime'];
/** A stack, a file, a library, a connection string. */
const TELLING = /\n\s+at \S|node_modules|\.[cm]?[jt]s:\d+|fastify|\/app\/|postgres(?:ql)?:\/\//i;

/** What a deployment shows to whoever has no key. */
export function httpFindings(outside: Outside, target: HttpTarget): Finding[] {
  const { round, forged, otherHost, metricsOfApi } = outside;
  const answers = [...Object.values(round), ...forged, metricsOfApi].filter(isAnswer);
  if (!isAnswer(round.alive)) throw round.alive;
  return [
    transport(target),
    judgeSecurityHeaders(
      answers.filter((answer) => answer !== round.metrics),
      target.securityHeaders,
    ),
    judgeDeniedOrigin([round.deniedPreflight, round.notFound]),
    judgeProblem('problem-not-found', round.notFound, 404),
    judgeProblem('problem-unauthorized', round.unauthorized, 401),
    none('telling-headers', 'SEC-14', tellingHeaders(answers), 'no answer names a product', {
      severity: 'warning',
      explanation: 'Whoever knows product and version knows its holes.',
      mend: 'Take the header away where it is added, in the ingress as a rule: the service sends none.',
    }),
    none(
      'telling-bodies',
      'AV-5',
      [round.notFound, round.unauthorized, ...forged].flatMap((looked) => TELLING.exec(textOf(looked)) ?? []),
      'no refusal shows how the service is made',
      { explanation: 'A refusal shows a stack, a file, a library or a connection string.' },
    ),
    forgedHost([...forged, otherHost]),
    forgedClient(forged),
    metricsPort(round.metrics, target),
    audited(
      'metrics-of-api',
      'SEC-3',
      isAnswer(metricsOfApi) && metricsOfApi.status >= 400 ? 'ok' : 'critical',
      isAnswer(metricsOfApi) ? `/metrics of the API answered ${metricsOfApi.status}` : metricsOfApi.message,
      {
        explanation: 'The world reads of every queue.',
        mend: 'Route only the port of the API to the outside.',
      },
    ),
  ];
}

const isAnswer = (looked: Looked | undefined): looked is HttpAnswer =>
  looked !== undefined && !(looked instanceof Error);

const textOf = (looked: Looked): string => (isAnswer(looked) ? looked.text : '');

function transport({ url, isDev }: HttpTarget): Finding {
  const { protocol, hostname } = new URL(url);
  const isLocal = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
  return audited(
    'transport',
    'SEC-14',
    protocol === 'https:' || isLocal || isDev ? 'ok' : 'critical',
    protocol === 'https:' ? 'TLS, by a certificate that this machine trusts' : 'no TLS',
    {
      explanation: 'Keys can be read on the way.',
      mend: 'Give the ingress a certificate, and --url its https address.',
    },
  );
}

const tellingHeaders = (answers: readonly HttpAnswer[]): string[] => [
  ...new Set(
    answers.flatMap(({ headers }) =>
      TELLING_HEADERS.flatMap((name) => (headers[name] === undefined ? [] : `${name}: ${headers[name]}`)),
    ),
  ),
];

function forgedHost(forged: readonly Looked[]): Finding {
  const shown = forged.filter(isAnswer).filter((answer) => JSON.stringify(answer).includes(FORGED_HOST));
  return audited(
    'forged-host',
    'SEC-13',
    shown.length > 0 ? 'critical' : 'ok',
    shown.length > 0 ? `an answer has ${FORGED_HOST} in it` : 'no answer has a forged host in it',
    { explanation: 'A link or a cached answer may lead to the host of an attacker.' },
  );
}

/** Whom the limiter counts: as another client, each request would be the first one. */
function forgedClient(forged: readonly Looked[]): Finding {
  const check = 'forged-client';
  const [first, second] = forged.map(remaining);
  const more = {
    explanation:
      'A client that says in X-Forwarded-For that it is another one is believed, and has no limit. Right only if this machine is a trusted proxy, or if other requests came between.',
    mend: 'DRAGONFLY_TRUSTED_PROXIES: the networks of your proxies only; let the ingress replace X-Forwarded-For',
  };
  if (first === undefined || second === undefined)
    return audited(check, 'SEC-9', 'warning', 'no answer says how many requests are left', more);
  return second < first
    ? audited(check, 'SEC-9', 'ok', 'a forged X-Forwarded-For changes no count')
    : audited(check, 'SEC-9', 'warning', 'each forged X-Forwarded-For is counted as another client', more);
}

function remaining(looked: Looked): number | undefined {
  const [, count] = /;r=(\d+)/.exec((isAnswer(looked) && looked.headers['ratelimit']) || '') ?? [];
  return count === undefined ? undefined : Number(count);
}

function metricsPort(looked: Looked | undefined, { isDev }: HttpTarget): Finding {
  const check = 'metrics-port';
  const explanation = 'Whoever reaches the port reads of every queue.';
  if (looked === undefined) return notLookedAt(check, '--ops-url');
  if (!isAnswer(looked))
    return audited(check, 'SEC-3', 'critical', looked.message, { explanation: 'It could not be looked at.' });
  if (looked.status === 401) return audited(check, 'SEC-3', 'ok', '/metrics asks for its token');
  return audited(
    check,
    'SEC-3',
    isDev && looked.status === 200 ? 'ok' : 'critical',
    `/metrics answered ${looked.status} without a token`,
    { explanation, mend: 'DRAGONFLY_METRICS_TOKEN' },
  );
}
