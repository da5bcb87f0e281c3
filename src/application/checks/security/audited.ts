import type { Finding, Severity } from '../finding.ts';

const PAGE = 'docs/runbooks/security-audit.md';

interface More {
  readonly explanation: string;
  readonly mend?: string | undefined;
}

/**
 * A finding of the security audit; each has its heading in the runbook. `law` is what it breaks. What is in order needs no
 * explanation.
 */
export function audited(
  check: string,
  law: string,
  severity: Severity,
  summary: string,
  { explanation, mend }: More = { explanation: '' },
): Finding {
  if (severity === 'ok') return { check, severity, summary };
  return {
    check,
    severity,
    summary,
    explanation: `${law}: ${explanation}`,
    ...(mend && { mend }),
    runbook: `${PAGE}#${check}`,
  };
}

/** What could not be looked at may be as bad as can be. */
export const unseen = (name: string, reason: string): Finding => ({
  check: `${name}-reachable`,
  severity: 'critical',
  summary: reason,
  explanation: 'It could not be looked at: nobody knows how it is.',
  runbook: `${PAGE}#could-not-look`,
});

/** What nobody asked to look at may be as bad, too. */
export const notLookedAt = (name: string, option: string): Finding => ({
  check: `${name}-skipped`,
  severity: 'warning',
  summary: `not looked at: give ${option}`,
  runbook: `${PAGE}#not-looked-at`,
});

/** Of a list that should be empty. */
export const none = (
  check: string,
  law: string,
  found: readonly string[],
  inOrder: string,
  more: More & { readonly severity?: Exclude<Severity, 'ok'> },
): Finding =>
  audited(
    check,
    law,
    found.length > 0 ? (more.severity ?? 'critical') : 'ok',
    found.length > 0 ? shortened(found) : inOrder,
    more,
  );

const MOST_SHOWN = 10;

const shortened = (list: readonly string[]): string =>
  list.length > MOST_SHOWN
    ? `${list.slice(0, MOST_SHOWN).join(', ')}, … (${list.length} in all)`
    : list.join(', ');
