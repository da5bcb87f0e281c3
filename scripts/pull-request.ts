import { readFile } from 'node:fs/promises';

/** DOC-4: the description of a pull request, in DESCRIPTION, has a word below each heading of the template. */
const TEMPLATE = '.github/pull_request_template.md';

const withoutComments = (text: string): string =>
  text.replaceAll('\r\n', '\n').replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '');

function sections(text: string): Map<string, string> {
  const [, ...parts] = withoutComments(`\n${text}`).split('\n## ');
  return new Map(
    parts.map((part) => {
      const [heading = '', ...lines] = part.split('\n');
      return [heading.trim(), lines.join('\n').trim()];
    }),
  );
}

const described = sections(process.env['DESCRIPTION'] ?? '');
const missing = [...sections(await readFile(TEMPLATE, 'utf8')).keys()].filter(
  (heading) => (described.get(heading) ?? '') === '',
);
for (const heading of missing) console.error(`Nothing is said below "## ${heading}".`);
if (missing.length > 0) {
  console.error(`The description follows ${TEMPLATE}; "none" is an answer.`);
  process.exitCode = 1;
}
