import { SECURITY_HEADERS } from '#src/adapters/inbound/http/plugins/security-headers.ts';
import { type Operation, problem } from '#test/support/contract.ts';
import { GIT_SHA } from '#test/support/service-process.ts';
import type { FuzzRequest } from './requests.ts';

export interface FuzzAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What an answer breaks of the laws for every answer, in words; `operation` is what was asked if it was asked properly. */
export function faultsOf(
  request: FuzzRequest,
  operation: Operation | undefined,
  answer: FuzzAnswer,
): string[] {
  const faults = answer.status >= 500 ? [`${answer.status} is a fault of ours`] : [];
  faults.push(...headerFaults(request, answer));
  if (answer.status === 405 && !answer.headers['allow']) faults.push('405 allows nothing');
  if (request.method === 'HEAD') return faults;
  if (operation && !operation.answers.has(answer.status) && !ANYWHERE.has(answer.status)) {
    faults.push(`${answer.status} is not in the contract of ${operation.id}`);
  }
  if (answer.status >= 400) faults.push(...problemFaults(answer));
  else if (operation) faults.push(...inputFaults(operation, request), ...successFaults(operation, answer));
  return faults;
}

/** What the headers or the value of a parameter can lead to before an operation is found, at probes too. */
const ANYWHERE = new Set([400, 404, 414, 431]);

/** The page of the contract relaxes its own policy (SEC-14), and its files may be kept. */
const isDocs = ({ path }: FuzzRequest): boolean => path.startsWith('/docs');

function headerFaults(request: FuzzRequest, { headers }: FuzzAnswer): string[] {
  const expected = { 'x-dragonfly-sha': GIT_SHA, ...SECURITY_HEADERS };
  return Object.entries(expected)
    .filter(([name]) => !(isDocs(request) && ['content-security-policy', 'cache-control'].includes(name)))
    .filter(([name, value]) => headers[name] !== value)
    .map(([name]) => `${name} is ${String(headers[name])}`);
}

function problemFaults({ status, headers, text }: FuzzAnswer): string[] {
  if (!String(headers['content-type']).startsWith('application/problem+json')) {
    return [`the problem is ${String(headers['content-type'])}`];
  }
  const document: unknown = parsed(text);
  const { success, error } = problem.safeParse(document);
  if (!success) return [`no problem document: ${error.message}`];
  const { status: said, trace_id: traceId } = document as { status: number; trace_id: string };
  const faults = said === status ? [] : [`status ${status} says ${said}`];
  if (!/^[0-9a-f]{32}$/.test(traceId)) faults.push(`the trace id is ${traceId}`);
  // A replay is byte for byte what the first request was told, with the id of that one.
  const isReplay = headers['idempotency-replayed'] !== undefined;
  if (!isReplay && headers['x-trace-id'] !== traceId)
    faults.push(`X-Trace-Id is ${String(headers['x-trace-id'])}`);
  return faults;
}

/** SEC-13: what the operation does not know, and has taken all the same. A probe looks at nothing of its request. */
function inputFaults({ path, parameters, body }: Operation, request: FuzzRequest): string[] {
  if (!path.startsWith('/v1/')) return [];
  const names = new Set(new URLSearchParams(request.path.split('?')[1]).keys());
  const faults = [...names]
    .filter((name) => name !== '' && !parameters.some((parameter) => parameter.name === name))
    .map((name) => `took the parameter ${name}`);
  const sent = String(request.body ?? '');
  if (request.method === 'POST' && !body && !/^\uFEFF?(?:null|\{\})?$/.test(sent)) faults.push('took a body');
  return faults;
}

function successFaults({ answers }: Operation, { status, text }: FuzzAnswer): string[] {
  const schema = answers.get(status);
  if (!schema) return text === '' ? [] : [`${status} has a body`];
  const { success, error } = schema.safeParse(parsed(text));
  return success ? [] : [`the body is not as in the contract: ${error.message}`];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
