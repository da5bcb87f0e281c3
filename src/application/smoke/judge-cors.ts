import type { Finding } from '../checks/finding.ts';
import type { HttpAnswer } from './ports.ts';
import { DENIED_ORIGIN, type Looked, type Round } from './round.ts';
import { critical, ok, warning } from './smoke-finding.ts';

const ALLOWED = 'access-control-allow-origin';

/** SEC-10. */
export const judgeCors = (round: Round, allowedOrigin: string | null | undefined): Finding[] => [
  judgeDeniedOrigin([round.deniedPreflight, round.notFound]),
  allowed(round, allowedOrigin),
];

export function judgeDeniedOrigin(looked: readonly Looked[]): Finding {
  const answers = looked.filter((one): one is HttpAnswer => !(one instanceof Error));
  if (answers.length < looked.length)
    return critical('cors-denied', 'a request of that origin has no answer');
  const grants = answers.map(({ headers }) => headers[ALLOWED]).filter((grant) => grant !== undefined);
  return grants.length > 0
    ? critical('cors-denied', `${DENIED_ORIGIN} may call: ${ALLOWED} is ${grants.join(', ')}`)
    : ok('cors-denied', `${DENIED_ORIGIN} may not call`);
}

function allowed({ allowedPreflight, unauthorized }: Round, origin: string | null | undefined): Finding {
  const check = 'cors-allowed';
  if (origin === null) return ok(check, 'no origin is to be allowed');
  if (origin === undefined || allowedPreflight === undefined)
    return warning(check, 'not looked at: give --allowed-origin, or none if there is none');
  for (const looked of [allowedPreflight, unauthorized]) {
    if (looked instanceof Error) return critical(check, `${origin} got no answer: ${looked.message}`);
    if (looked.headers[ALLOWED] !== origin)
      return critical(check, `${origin} may not call: ${ALLOWED} is ${looked.headers[ALLOWED] ?? 'missing'}`);
  }
  const methods =
    allowedPreflight instanceof Error ? '' : allowedPreflight.headers['access-control-allow-methods'];
  return methods?.includes('POST')
    ? ok(check, `${origin} may call`)
    : critical(check, `${origin} may not POST: access-control-allow-methods is ${methods ?? 'missing'}`);
}
