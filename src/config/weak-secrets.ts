import type { Variable } from './variable.ts';
import { type KnownValues, type VariableName, variables } from './variables.ts';

/** SEC-2: no default, empty, short or example secret. Of a URL only its password is a secret. */
export function weakSecrets(values: KnownValues): string[] {
  return Object.entries<Variable>(variables).flatMap(([name, { tier }]) => {
    if (tier !== 'sensitive') return [];
    const weakness = name.endsWith('_URL') ? weaknessOfUrl : weaknessOf;
    return [values[name as VariableName]]
      .flat()
      .map((value) => (typeof value === 'string' ? weakness(value) : undefined))
      .filter((found) => found !== undefined)
      .map((found) => `${name}: ${found}`);
  });
}

const weaknessOf = (secret: string): string | undefined =>
  isGuessable(secret) ? 'guessable; use a random value.' : undefined;

const LEAST_PASSWORD = 12;

function weaknessOfUrl(text: string): string | undefined {
  const url = URL.parse(text);
  // `none`, where that is allowed.
  if (!url || url.host === '') return undefined;
  // It would win over the one that is looked at here.
  if (url.searchParams.has('password')) return 'the password belongs before the host, not after it.';
  const [user = '', password = ''] = [url.username, url.password].map(decoded);
  // A Redis without a password is common inside a cluster; a PostgreSQL without one is a mistake.
  if (password === '' && url.protocol.startsWith('redis')) return undefined;
  if (password.length < LEAST_PASSWORD)
    return `outside dev the password needs at least ${LEAST_PASSWORD} characters.`;
  const known = [user, url.hostname, url.pathname.slice(1)];
  if (known.includes(password) || isGuessable(password))
    return 'the password is guessable; use a random one.';
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A percent sign that encodes nothing.
  }
}

const TELLING_WORDS =
  /admin|change-?me|default|dragonfly|dummy|example|foobar|insert|letmein|passw|placeholder|postgres|qwert|redis|replace|sample|secret|welcome|12345678|abcdefgh/i;
/** Of twelve random hex digits, one password in 10,000 has fewer. */
const LEAST_DISTINCT_CHARACTERS = 5;

const isGuessable = (text: string): boolean =>
  TELLING_WORDS.test(text) ||
  new Set(text).size < LEAST_DISTINCT_CHARACTERS ||
  isRepeated(text) ||
  isRow(text);

/** `fish7fish7fish7fi`: the same again, at least twice. */
function isRepeated(text: string): boolean {
  for (let period = 1; period <= text.length / 2; period += 1) {
    if (text.startsWith(text.slice(period))) return true;
  }
  return false;
}

/** `zyxwvutsrqpo`: mostly one step from each character to the next. */
function isRow(text: string): boolean {
  const steps = new Map<number, number>();
  for (let index = 1; index < text.length; index += 1) {
    const step = text.charCodeAt(index) - text.charCodeAt(index - 1);
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  return Math.max(...steps.values()) > text.length / 2;
}
