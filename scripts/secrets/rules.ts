import { apiKeyFormat } from '#src/adapters/outbound/api-key/format.ts';

/** What looks like a secret: where it begins, in characters, and its text, which is never printed. */
export interface Match {
  readonly rule: string;
  readonly index: number;
  readonly secret: string;
}

type Rule = (text: string) => Match[];

/** Only the checksum makes a key: what merely has its form, as in the documents, passes. */
const apiKeys: Rule = (text) =>
  [...text.matchAll(/dfk_[\w-]{49}/g)]
    .filter(([key]) => apiKeyFormat.isWellFormed(key))
    .map(({ 0: secret, index }) => ({ rule: 'API key of this service', index, secret }));

/** As `webhook-secret` prints them, and others who keep to Standard Webhooks. */
const signingSecrets: Rule = (text) =>
  [...text.matchAll(/whsec_[\w+/-]{32,88}={0,2}/g)]
    .filter(([secret]) => entropy(secret) >= ENTROPY_OF_TEXT)
    .map(({ 0: secret, index }) => ({ rule: 'signing secret of webhooks', index, secret }));

/** Of every kind and length, encrypted ones too; a heading without a key passes. */
const privateKeys: Rule = (text) =>
  [
    ...text.matchAll(
      /-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]){1,4}[\w+/=:. -]{16}/g,
    ),
  ].map(({ 0: secret, index }) => ({ rule: 'private key', index, secret }));

const URL_WITH_PASSWORD =
  /\b[a-z][a-z\d+.-]{1,20}:\/\/(?<user>[^\s:/@'"`]{0,64}):(?<password>[^\s/@'"`]{4,128})@/dgi;

/** What stands for a password: a variable, a placeholder, a word that names it. */
const STANDS_FOR_ONE = /[$<>{}]|^(?:\*+|x+|\.+|…|password|passwort|pass|secret|changeme)$/i;

const passwordsInUrls: Rule = (text) =>
  [...text.matchAll(URL_WITH_PASSWORD)].flatMap(({ groups, indices }) => {
    const { user, password = '' } = groups ?? {};
    const [index = 0] = indices?.groups?.['password'] ?? [];
    if (password === user || STANDS_FOR_ONE.test(password)) return [];
    return { rule: 'password in a URL', index, secret: password };
  });

const ASSIGNMENT =
  /(?:secret|passw(?:or)?d|token|credential|(?:api|private|access|signing|encryption)[_-]?key)[\w-]{0,40}["'`\]]{0,2}[ \t]{0,4}(?:=|:|=>)[ \t]{0,4}["'`]?(?<value>[\w+/=-]{20,512})/dgi;

/** An id: it may be random, and is no secret. */
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Bits per character above which a value was drawn, not written: words stay below, base64 and hex of 128 bits are above. */
const ENTROPY_OF_TEXT = 3.4;

const randomValues: Rule = (text) =>
  [...text.matchAll(ASSIGNMENT)].flatMap(({ groups, indices }) => {
    const { value = '' } = groups ?? {};
    const [index = 0] = indices?.groups?.['value'] ?? [];
    if (UUID.test(value) || !/\d/.test(value) || !/[a-z]/i.test(value) || entropy(value) < ENTROPY_OF_TEXT)
      return [];
    return { rule: 'random value of a secret name', index, secret: value };
  });

/** Shannon's, in bits per character. */
function entropy(value: string): number {
  const counts = Map.groupBy(value, (character) => character).values();
  return [...counts]
    .map(({ length }) => length / value.length)
    .reduce((sum, share) => sum - share * Math.log2(share), 0);
}

/** What the rules of secretlint do not know, or know in part. */
export const ownRules: readonly Rule[] = [
  apiKeys,
  signingSecrets,
  privateKeys,
  passwordsInUrls,
  randomValues,
];
