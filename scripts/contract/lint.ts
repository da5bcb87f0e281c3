import { resolve } from 'node:path';
import { lintFromString, loadConfig } from '@redocly/openapi-core';

const configPath = resolve(import.meta.dirname, '../../redocly.yaml');

/** @returns what redocly.yaml finds wrong with a document, a line for each fault with the JSON pointer of its place */
export async function lintContract(source: string): Promise<string[]> {
  const config = await loadConfig({ configPath });
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
  const faults = problems.map(
    ({ ruleId, message, location }) => `${location[0]?.pointer ?? '#'}: ${message} (${ruleId})`,
  );
  // What many operations refer to is visited for each of them.
  return [...new Set(faults)];
}
