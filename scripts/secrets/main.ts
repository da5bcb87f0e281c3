import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { indexFiles } from './index-files.ts';
import { type Finding, scan } from './scan.ts';

/** SEC-1: no secret gets into the repository. Without `--staged` the whole index is read, not only what would be committed. */
const ALLOWED = '.ci/allowed-secrets.json';

const allowedSchema = z.array(
  z.strictObject({ path: z.string(), text: z.string().min(1), reason: z.string().min(10) }),
);
const allowed = existsSync(ALLOWED) ? allowedSchema.parse(JSON.parse(readFileSync(ALLOWED, 'utf8'))) : [];
/** The list may name what it allows. */
const isAllowed = ({ path, secret }: Finding): boolean =>
  allowed.some(({ text, path: where }) => text === secret && (path === where || path === ALLOWED));

/** As Git decides it. */
const isBinary = (content: Buffer): boolean => content.subarray(0, 8000).includes(0);

const { staged } = parseArgs({ options: { staged: { type: 'boolean', default: false } } }).values;
const files = indexFiles({ staged }).filter(({ content }) => !isBinary(content));
const found = (await Promise.all(files.map(({ path, content }) => scan(path, content.toString())))).flat();

const secrets = found
  .filter((finding) => !isAllowed(finding))
  .map(({ path, line, rule }) => `${path}:${line}: ${rule}`);
for (const secret of new Set(secrets)) console.error(secret);
if (secrets.length > 0) {
  console.error(`
This looks like a secret. Take it out: the service reads secrets from its environment or from mounted files. If it was ever
pushed, replace it first (docs/runbooks/security-incident.md, "A secret was committed"). If it is none, add it with a reason to
${ALLOWED}.`);
  process.exitCode = 1;
}

const unused = allowed.filter(
  ({ path, text }) => !found.some((finding) => finding.path === path && finding.secret === text),
);
if (!staged && unused.length > 0) {
  for (const { path, reason } of unused) console.error(`${path}: allowed, but not there any more: ${reason}`);
  process.exitCode = 1;
}
if (process.exitCode === undefined && !staged) console.log(`No secret in ${files.length} files.`);
