import { type ImportGraph, cycles, importGraph, reach } from './import-graph.ts';
import { type Module, type Sources, parseModule } from './modules.ts';

interface Rule {
  /** Files that a file may need, directly or through others. */
  readonly files: RegExp;
  /** Packages and parts of Node that it may need, directly or through others. */
  readonly packages: RegExp;
}

const NONE = /^$/;
const ANY = /^/;

/** What may import what. A folder directly under `inbound` or `outbound` is one adapter. */
function ruleOf(path: string): Rule {
  const [, layer = '', direction = '', adapter = ''] = path.split('/');
  switch (layer) {
    case 'domain':
      return { files: /^src\/domain\//, packages: NONE };
    case 'application':
      return { files: /^src\/(?:application|domain)\//, packages: /^zod$/ };
    case 'config':
      return { files: /^src\/config\//, packages: /^(?:zod|fastest-levenshtein|node:fs|node:path)$/ };
    case 'adapters':
      return {
        files: new RegExp(`^src/(?:application|domain|adapters/${direction}/${adapter})/`),
        packages: direction === 'inbound' ? /^(?!(?:pg|kysely)$)/ : ANY,
      };
    case 'composition':
    case 'main.ts':
      return { files: ANY, packages: ANY };
    default:
      throw new Error(`${path}: src has no such layer.`);
  }
}

/** Everything in the sources that breaks ARC-1, ARC-2, ARC-9 or API-8, one sentence each. */
export function violations(sources: Sources): string[] {
  const modules = [...sources].map(([path, text]) => parseModule(path, text));
  const graph = importGraph(modules);
  return [
    ...modules.flatMap(({ path }) => forbiddenImports(graph, path)),
    ...cycles(graph).map((cycle) => `[ARC-9] cycle: ${cycle.join(' → ')}`),
    ...modules.flatMap(sqlOutsideItsAdapter),
    ...modules
      .filter(({ swallowedErrors }) => swallowedErrors > 0)
      .map(({ path }) => `[ARC-9] ${path} swallows an exception.`),
  ];
}

function forbiddenImports(graph: ImportGraph, path: string): string[] {
  const rule = ruleOf(path);
  const law = path.startsWith('src/adapters/') ? 'ARC-2' : 'ARC-1';
  const found: string[] = [];
  for (const [file, way] of reach(graph, path)) {
    if (!rule.files.test(file)) found.push(`[${law}] ${way.join(' → ')}`);
    for (const name of graph.get(file)?.packages ?? []) {
      if (!rule.packages.test(name)) found.push(`[${law}] ${way.join(' → ')} → ${name}`);
    }
  }
  return found;
}

/** A statement in one letter case, where a sentence would begin with a capital; or a call of one of our functions. */
const SQL = [
  /^\s*(?:select|with|insert into|update|delete from|listen|notify|call)\s/,
  /^\s*(?:SELECT|WITH|INSERT INTO|UPDATE|DELETE FROM|LISTEN|NOTIFY|CALL)\s/,
  /\bops\.[a-z_]+ ?\(/i,
];

const LAW_AGAINST_SQL = { 'src/adapters/inbound/': 'ARC-2', 'src/composition/': 'API-8' };

function sqlOutsideItsAdapter({ path, texts }: Module): string[] {
  const [, law] = Object.entries(LAW_AGAINST_SQL).find(([folder]) => path.startsWith(folder)) ?? [];
  const isFound = law !== undefined && texts.some((text) => SQL.some((pattern) => pattern.test(text)));
  return isFound ? [`[${law}] ${path} contains SQL.`] : [];
}
