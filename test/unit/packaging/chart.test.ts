import { readFileSync } from 'node:fs';
import { loadConfig } from '#src/config/load.ts';
import type { Role, Variable } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { COMPLETE, faultsOf } from '../config/environment.ts';
import { CHART, type Manifest, type Named, type PodSpec, isHelmMissing, lint, render } from './helm.ts';

const read = (path: string): string => readFileSync(`${CHART}/${path}`, 'utf8');

describe('[K8S-5] the values of the chart', () => {
  const schema = JSON.parse(read('values.schema.json')) as {
    properties: { config: { propertyNames: { enum: string[] } } };
  };
  const values = parse(read('values.yaml')) as { config: Record<string, string> };

  it('take every public variable but address and ports, and no secret', () => {
    const listening = new Set(['HOST', 'PORT', 'DRAGONFLY_METRICS_PORT']);
    const names = Object.entries<Variable>(variables)
      .filter(([name, { tier }]) => tier === 'public' && !listening.has(name))
      .map(([name]) => name);
    expect(schema.properties.config.propertyNames.enum.toSorted()).toEqual(names.toSorted());
  });

  it('are what production starts with', () => {
    expect(() => loadConfig(['api', 'worker', 'migrate'], { ...COMPLETE, ...values.config })).not.toThrow();
  });
});

it('a missing helm is a failure where every server is required', () => {
  vi.stubEnv('HELM', '/nowhere/helm');
  vi.stubEnv('REQUIRE_SERVICES', '1');
  expect(isHelmMissing).toThrow('no helm');
  vi.unstubAllEnvs();
});

const missing = isHelmMissing();
const skipped = missing ? ' (skipped: no helm on PATH and none in HELM)' : '';

describe.skipIf(missing)(`the chart${skipped}`, () => {
  const manifests = missing ? [] : render();
  const find = (kind: string, name: string): Manifest => {
    const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
    if (!found) throw new Error(`The chart renders no ${kind} ${name}.`);
    return found;
  };
  const pod = (role: string): PodSpec =>
    find(role === 'migrate' ? 'Job' : 'Deployment', `dragonfly-${role}`).spec.template.spec;

  it('[K8S-2] passes helm lint --strict', () => {
    expect(lint()).toBe('');
  });

  it.each(['image.tag=latest', 'config.DRAGONFLY_UNKNOWN=x', 'api.replica=1', 'service.port=0'])(
    '[K8S-2] [K8S-8] refuses --set %s',
    (value) => {
      expect(() => render('--set', value)).toThrow(/schema/);
    },
  );

  describe.each(['api', 'worker', 'migrate'] as const)('the pod of %s', (role) => {
    it('[K8S-3] keeps the restricted Pod Security Standard', () => {
      expect(pod(role)).toMatchObject({
        securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            resources: { requests: expect.anything(), limits: expect.anything() },
          },
        ],
      });
      const mounts = pod(role).containers[0]['volumeMounts'] as readonly Named[];
      expect(mounts.filter(({ name }) => name !== 'secrets')).toEqual([{ name: 'tmp', mountPath: '/tmp' }]);
      const volumes = pod(role)['volumes'] as readonly Named[];
      expect(volumes.filter(({ name }) => name !== 'secrets')).toEqual([
        { name: 'tmp', emptyDir: expect.anything() },
      ]);
      expect(pod(role)).not.toHaveProperty('hostNetwork');
    });

    it('[K8S-3] has an account of its own, without a token', () => {
      expect(pod(role)).toMatchObject({
        serviceAccountName: `dragonfly-${role}`,
        automountServiceAccountToken: false,
      });
      expect(find('ServiceAccount', `dragonfly-${role}`).automountServiceAccountToken).toBe(false);
    });

    it('gets no variables of services, which the service would refuse', () => {
      expect(pod(role)).toMatchObject({ enableServiceLinks: false });
    });

    it('[K8S-1] runs the one image', () => {
      expect(pod(role).containers[0]).toMatchObject({
        image: `dragonfly:v${(parse(read('Chart.yaml')) as { appVersion: string }).appVersion}`,
        args: role === 'migrate' ? ['migrate', 'up'] : [role],
      });
    });

    it('[SEC-1] reads exactly its own secrets, by reference', () => {
      const expected = secretsOf(role).map((key) => ({
        key,
        secret: `dragonfly-${role}`,
        optional: (variables as Record<string, Variable>)[key]?.optional,
      }));
      const read = role === 'migrate' ? referencesOf(pod(role)) : mountedIn(pod(role));
      expect(read.toSorted((a, b) => a.key.localeCompare(b.key))).toEqual(expected);
    });
  });

  it.each(['api', 'worker'] as const)('[SEC-18] %s has its secrets as files, which may change', (role) => {
    const [container] = pod(role).containers;
    const files = container.env.filter(({ name }) => name.endsWith('_FILE'));
    expect(files.map(({ value }) => String(value)).toSorted()).toEqual(
      mountedIn(pod(role)).map(({ key }) => `/run/secrets/dragonfly/${key}`),
    );
    expect(files.every(({ name, value }) => value?.endsWith(`/${name.replace(/_FILE$/, '')}`))).toBe(true);
    // A subPath is never replaced.
    expect(container['volumeMounts']).toContainEqual({
      name: 'secrets',
      mountPath: '/run/secrets/dragonfly',
      readOnly: true,
    });
    expect(container.env.filter(({ valueFrom }) => valueFrom)).toEqual([]);
  });

  it.each(['api', 'worker'])('[K8S-3] %s is probed on the port of metrics', (role) => {
    expect(pod(role).containers[0]).toMatchObject({
      ports: expect.arrayContaining([{ name: 'metrics', containerPort: 9090 }]) as unknown,
      startupProbe: { httpGet: { path: '/health', port: 'metrics' } },
      livenessProbe: { httpGet: { path: '/health', port: 'metrics' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
    });
  });

  it.each(['api', 'worker'] as const)('[AV-6] %s compares its time-outs with the grace period', (role) => {
    const { terminationGracePeriodSeconds: seconds, containers } = pod(role);
    const grace = { name: 'DRAGONFLY_SHUTDOWN_GRACE', value: `${seconds}s` };
    expect(containers[0].env).toContainEqual(grace);
    expect(faultsOf([role], { ...COMPLETE, [grace.name]: grace.value })).toEqual([]);
    expect(faultsOf([role], { ...COMPLETE, [grace.name]: '10s' })).toHaveLength(1);
  });

  it('[AV-8] the startup probe waits longer than the service waits for PostgreSQL', () => {
    const { failureThreshold, periodSeconds } = pod('api').containers[0]['startupProbe'] as Record<
      string,
      number
    >;
    const config = loadConfig(['api'], COMPLETE);
    expect((failureThreshold ?? 0) * (periodSeconds ?? 0) * 1000).toBeGreaterThan(
      config.DRAGONFLY_START_TIMEOUT + 2000,
    );
  });

  it('[K8S-5] a changed ConfigMap restarts the pods', () => {
    expect(checksum(manifests)).toMatch(/^[0-9a-f]{64}$/);
    expect(checksum(render('--set', 'config.LOG_LEVEL=debug'))).not.toBe(checksum(manifests));
  });

  it('[DATA-1] migrations run before the pods change, unless something else drives the release', () => {
    expect(find('Job', 'dragonfly-migrate').metadata.annotations).toMatchObject({
      'helm.sh/hook': 'pre-install,pre-upgrade',
    });
    expect(render('--set', 'migrate.enabled=false').filter(({ kind }) => kind === 'Job')).toEqual([]);
  });

  it('the migration needs nothing that only exists after the hook', () => {
    expect(pod('migrate').containers[0].envFrom).toBeUndefined();
    expect(find('ServiceAccount', 'dragonfly-migrate').metadata.annotations).toMatchObject({
      'helm.sh/hook': 'pre-install,pre-upgrade',
      'helm.sh/hook-weight': '-1',
    });
    const config = find('ConfigMap', 'dragonfly').data ?? {};
    expect(pod('migrate').containers[0].env).toEqual(
      expect.arrayContaining(Object.entries(config).map(([name, value]) => ({ name, value }))),
    );
  });
});

const secretsOf = (role: Role): string[] =>
  Object.entries<Variable>(variables)
    .filter(([, { tier, roles }]) => tier === 'sensitive' && roles.includes(role))
    .map(([name]) => name)
    .toSorted();

interface Read {
  readonly key: string;
  readonly secret: string;
  readonly optional: boolean | undefined;
}

const referencesOf = ({ containers: [{ env }] }: PodSpec): Read[] =>
  env.flatMap(({ valueFrom }) => {
    const from = valueFrom?.secretKeyRef;
    return from ? [{ key: from.key, secret: from.name, optional: from.optional }] : [];
  });

interface Projected extends Named {
  readonly projected: {
    readonly sources: readonly {
      readonly secret: Named & {
        readonly optional: boolean;
        readonly items: readonly { readonly key: string }[];
      };
    }[];
  };
}

function mountedIn({ volumes }: PodSpec): Read[] {
  const secrets = (volumes as readonly Projected[]).find(({ name }) => name === 'secrets');
  return (secrets?.projected.sources ?? [])
    .flatMap(({ secret: { name, optional, items } }) =>
      items.map(({ key }) => ({ key, secret: name, optional })),
    )
    .toSorted((a, b) => a.key.localeCompare(b.key));
}

const checksum = (manifests: readonly Manifest[]): unknown =>
  manifests.find(({ kind }) => kind === 'Deployment')?.spec.template.metadata.annotations?.[
    'checksum/config'
  ];
