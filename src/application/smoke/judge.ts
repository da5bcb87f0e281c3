import type { Finding } from '../checks/finding.ts';
import { judgeCors } from './judge-cors.ts';
import { judgeProblem } from './judge-problem.ts';
import type { HttpAnswer } from './ports.ts';
import type { Looked, Round, SmokeTarget } from './round.ts';
import { critical, ok, warning } from './smoke-finding.ts';
import { startOf } from './start-of.ts';

/** DEP-3. */
const SLOWEST_MS = 500;
const SHA_HEADER = 'x-dragonfly-sha';

/** What the answers of a round say of the deployment (DEP-3). */
export function judge(round: Round, target: SmokeTarget): Finding[] {
  const { alive, ready, notFound, unauthorized, metrics } = round;
  const answers = Object.values(round).filter(isAnswer);
  return [
    probe('liveness', '/health', alive, 'ok'),
    probe('readiness', '/readyz', ready, 'ready'),
    commit(answers, target.sha),
    ...judgeCors(round, target.allowedOrigin),
    latency(answers.filter((answer) => answer !== alive)),
    judgeProblem('problem-not-found', notFound, 404),
    judgeProblem('problem-unauthorized', unauthorized, 401),
    judgeSecurityHeaders(answers, target.securityHeaders),
    ...(metrics === undefined ? [] : [scrape(metrics)]),
  ];
}

const isAnswer = (looked: Looked | undefined): looked is HttpAnswer =>
  looked !== undefined && !(looked instanceof Error);

function probe(check: string, path: string, looked: Looked, status: string): Finding {
  if (looked instanceof Error) return critical(check, `${path} gave no answer: ${looked.message}`);
  if (looked.status !== 200) return critical(check, `${path} answered ${looked.status}: ${startOf(looked)}`);
  if (!looked.text.includes(`"status":"${status}"`))
    return critical(check, `${path} answered 200, but not as this service does: ${startOf(looked)}`);
  return looked.text.includes('"degraded"')
    ? warning(check, `${path} is degraded: ${startOf(looked)}`)
    : ok(check, `${path} answered 200`);
}

/** DEP-1. Of every answer: behind one address there may be replicas of two releases. */
function commit(answers: readonly HttpAnswer[], expected: string | undefined): Finding {
  const found = [...new Set(answers.map(({ headers }) => headers[SHA_HEADER] ?? 'none'))];
  const [only = 'none'] = found;
  if (found.length > 1) return critical('sha', `answers came from several commits: ${found.join(', ')}`);
  if (only === 'none') return critical('sha', 'no answer has the header X-Dragonfly-SHA');
  if (expected === undefined) return warning('sha', `${only}, compared with nothing: give --sha`);
  if (only !== expected) return critical('sha', `${only}, and the release is ${expected}`);
  return ok('sha', only);
}

/** Not of `/health`, with which the connection was opened. */
function latency(answers: readonly HttpAnswer[]): Finding {
  const slowest = Math.round(Math.max(0, ...answers.map(({ ms }) => ms)));
  if (slowest === 0) return critical('latency', 'nothing answered');
  return slowest > SLOWEST_MS
    ? critical('latency', `the slowest answer took ${slowest} ms, more than ${SLOWEST_MS}`)
    : ok('latency', `the slowest answer took ${slowest} ms`);
}

/** SEC-14. */
export function judgeSecurityHeaders(
  answers: readonly HttpAnswer[],
  expected: SmokeTarget['securityHeaders'],
): Finding {
  const wrong = Object.entries(expected).filter(([name, value]) =>
    answers.some(({ headers }) => headers[name] !== value),
  );
  if (answers.length === 0) return critical('security-headers', 'nothing answered');
  return wrong.length > 0
    ? critical('security-headers', `missing or changed on the way: ${wrong.map(([name]) => name).join(', ')}`)
    : ok('security-headers', `all ${Object.keys(expected).length} on every answer`);
}

/** A token is somebody else's: that it is asked for shows that metrics are there. */
function scrape(looked: Looked): Finding {
  if (looked instanceof Error) return critical('metrics', `/metrics gave no answer: ${looked.message}`);
  if (looked.status === 401) return ok('metrics', '/metrics asks for its token');
  return looked.status === 200 && looked.text.includes('\n# TYPE process_start_time_seconds ')
    ? ok('metrics', '/metrics answered 200')
    : critical('metrics', `/metrics answered ${looked.status}: ${startOf(looked)}`);
}
