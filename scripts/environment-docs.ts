import { ROLES, type Variable } from '#src/config/variable.ts';
import { variableGroups } from '#src/config/variables.ts';

const groups = Object.entries<Readonly<Record<string, Variable>>>(variableGroups);

/** Every variable with its default, commented out: a copy changes nothing until a line is uncommented. */
export function renderEnvExample(): string {
  const sections = groups.map(([title, group]) => [
    `# ── ${title} ──`,
    ...Object.entries(group).map(toLines),
  ]);
  return `${[HEADER, ...sections.map((lines) => lines.join('\n\n'))].join('\n\n')}\n`;
}

const HEADER = `# Generated from src/config/variables.ts by \`npm run generate\`; do not edit.
# Copy to .env for local development. Outside development nothing reads a .env file.
# A sensitive variable may be given as NAME_FILE, the path of a file, instead.`;

const toLines = ([name, variable]: [string, Variable]): string =>
  [
    `# ${variable.description}`,
    `# ${[variable.tier, rolesOf(variable), needOf(variable)].join('; ')}`,
    `#${name}=${variable.fallback ?? ''}`,
  ].join('\n');

/** The reference page of the environment, in Markdown. */
export function renderConfigurationPage(): string {
  const sections = groups.map(
    ([title, group]) =>
      `## ${title}\n\n| Variable | Default | What it is | Format | Tier | Roles |\n| --- | --- | --- | --- | --- | --- |\n${Object.entries(group).map(toRow).join('\n')}`,
  );
  return `${INTRODUCTION}\n\n${sections.join('\n\n')}\n`;
}

const INTRODUCTION = `# Configuration

<!-- Generated from src/config/variables.ts by \`npm run generate\`; do not edit. -->

The environment is the only configuration. At start every fault in it is reported at once, by name and never by value,
and the process exits with 1. A \`DRAGONFLY_*\` name that is not on this page is a fault too. An empty value counts as
missing. \`npm run dragonfly -- config [role]\` shows what a role would start with, and no secret.

- **Tier**: \`public\` values belong into a ConfigMap, \`sensitive\` ones into a Secret, \`runtime\` ones are set by the
  image or the platform.
- A sensitive variable may be given as \`<NAME>_FILE\`, the path of a file with the value, instead. \`api\` and \`worker\`
  watch it and take a new value while they run; the file of an optional one may be missing.
- **Roles**: who reads the variable. \`api\` and \`worker\` serve, and \`all\` is both in one process; the others are
  commands.`;

const toRow = ([name, variable]: [string, Variable]): string => {
  const { description, fallback, tier } = variable;
  const value = fallback ? `\`${fallback}\`` : needOf(variable);
  return `| \`${name}\` | ${value} | ${description} | ${formatOf(variable)} | ${tier} | ${rolesOf(variable)} |`;
};

/** The first thing that the parser says of a value that nothing accepts is a description of what it does accept. */
const formatOf = ({ schema }: Variable): string =>
  schema.safeParse('\0').error?.issues[0]?.message ?? 'Text.';

const rolesOf = ({ roles }: Variable): string => (roles.length === ROLES.length ? 'every' : roles.join(', '));

function needOf({ fallback, optional }: Variable): string {
  if (fallback === '') return 'empty';
  if (fallback !== undefined) return 'has a default';
  return optional ? 'optional' : 'required';
}
