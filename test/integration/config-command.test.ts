import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { invoke } from '#src/composition/cli/invoke.ts';
import type { Environment } from '#src/config/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'dragonfly-config-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const PASSWORD = 'q7Zr-vX2m-Lk9P-tY4w';
const path = join(folder, 'api-database');
writeFileSync(path, `postgres://dragonfly_api:${PASSWORD}@db.internal/app\n`);

const ENVIRONMENT: Environment = {
  DRAGONFLY_ENV: 'dev',
  PORT: '3001',
  DRAGONFLY_API_DATABASE_URL_FILE: path,
};

const config = async (line: string, environment = ENVIRONMENT): Promise<string> =>
  (await invoke(['config', ...line.split(' ')], environment)).output;

describe('[SEC-1] [DEP-1] `dragonfly config`', () => {
  it('shows values with their sources, and of a secret only where it is', async () => {
    const text = await config('api');
    expect(text).toMatch(/^PORT +3001 +environment/m);
    expect(text).toMatch(/^LOG_LEVEL +\S+ +default/m);
    expect(text).toMatch(/^DRAGONFLY_API_DATABASE_URL +set +file api-database/m);
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain('db.internal');
  });

  it('says the same as JSON', async () => {
    const { roles, variables } = JSON.parse(await config('--json api')) as {
      roles: string[];
      variables: { name: string; value: string }[];
    };
    expect(roles).toEqual(['api']);
    expect(variables).toContainEqual(expect.objectContaining({ name: 'PORT', value: '3001' }));
    expect(JSON.stringify(variables)).not.toContain(PASSWORD);
  });

  it('fails as the start would, and names no value', async () => {
    const { output, code } = await invoke(['config', 'api'], { ...ENVIRONMENT, PORT: 'secret-port' });
    expect(code).toBe(1);
    expect(output).toContain('fault: PORT: ');
    expect(output).not.toContain('secret-port');
  });

  it('is refused for a role that there is not', async () => {
    await expect(config('nobody')).rejects.toThrow('Usage: dragonfly config');
  });
});
