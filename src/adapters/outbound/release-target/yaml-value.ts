import { type Document, isScalar, parseDocument } from 'yaml';

/**
 * A YAML file with another text at a key, such as `image.tag`, and everything else as it was, comments too.
 *
 * @throws Error when it is no YAML, or has no text on one line there
 */
export function withYamlValue(text: string, key: string, value: string): string {
  const node: unknown = parsed(text).getIn(key.split('.'), true);
  if (!isScalar(node) || !node.range || node.value === null || node.type?.startsWith('BLOCK'))
    throw new Error(`${key} has no text on one line.`);
  const [start, end] = node.range;
  return `${text.slice(0, start)}'${value}'${text.slice(end)}`;
}

/** Whether there is anything at a key but nothing, or an empty text. @throws Error when it is no YAML */
export function hasYamlValue(text: string, key: string): boolean {
  const value: unknown = parsed(text).getIn(key.split('.'));
  return value !== undefined && value !== null && value !== '';
}

function parsed(text: string): Document.Parsed {
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault) throw new Error(`It is no YAML: ${fault.message}`);
  return document;
}
