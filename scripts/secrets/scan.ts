import { lintSource } from '@secretlint/core';
import { rules as presetRules } from '@secretlint/secretlint-rule-preset-recommend';
import { type Match, ownRules } from './rules.ts';

/** A place that has a secret. `secret` is compared with what is allowed, and never printed. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly secret: string;
}

const idOf = (name: string): string => `@secretlint/secretlint-rule-${name}`;

/** Rules of our own do more than the first three; the last would let a comment in a file switch rules off. */
const REPLACED = new Set(
  ['privatekey', 'basicauth', 'database-connection-string', 'filter-comments'].map(idOf),
);
const OPTIONS: Readonly<Record<string, object>> = { [idOf('aws')]: { enableIDScanRule: true } };

const RULES = presetRules
  .filter(({ meta }) => !REPLACED.has(meta.id))
  .map((rule) => ({ id: rule.meta.id, rule, options: OPTIONS[rule.meta.id] ?? {} }));

export async function scan(path: string, text: string): Promise<Finding[]> {
  const matches = [...ownRules.flatMap((rule) => rule(text)), ...(await presetMatches(path, text))];
  return matches
    .map(({ rule, index, secret }) => ({ path, line: lineOf(text, index), rule, secret }))
    .toSorted((one, other) => one.line - other.line);
}

async function presetMatches(path: string, content: string): Promise<Match[]> {
  const { messages } = await lintSource({
    source: { filePath: path, content, contentType: 'text' },
    options: { noPhysicFilePath: true, config: { rules: RULES } },
  });
  return messages.map(({ messageId, range: [start, end] }) => ({
    rule: messageId,
    index: start,
    secret: content.slice(start, end),
  }));
}

const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length;
