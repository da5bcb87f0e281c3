import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Answer, invoke } from '#src/composition/cli/invoke.ts';
import { isUsed, loadConfig } from '#src/config/load.ts';
import type { Role, Variable } from '#src/config/variable.ts';
import { variables } from '#src/config/variables.ts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse } from 'yaml';
import { COMPLETE, faultsOf } from '../config/environment.ts';
import { CHART, type Manifest, type Named, type PodSpec, isHelmMissing, lint, render } from './helm.ts';

const RUN = ['api', 'worker', 'migrate'] as const;
/** What is off unless it is asked for. */
const BACKUP = ['--set', 'backup.enabled=true', '--set', 'backup.claimName=backups'];

const read = (path: string): string => readFileSync(`${CHART}/${path}`, 'utf8');

describe('[K8S-5] the values of the chart', () => {
  const schema = JSON.parse(read('values.schema.json')) as {
    properties: { config: { propertyNames: { enum: string[] } } };
  };
  const values = parse(read('values.yaml')) as { config: Record<string, string> };

  it('take every public variable of what the chart runs but address and ports, and no secret', () => {
    const listening = new Set(['HOST', 'PORT', 'DRAGONFLY_METRICS_PORT']);
    const names = Object.entries<Variable>(variables)
      .filter(
        ([name, variable]) => variable.tier === 'public' && isUsed(variable, RUN) && !listening.has(name),
      )
      .map(([name]) => name);
    expect(schema.properties.config.propertyNames.enum.toSorted()).toEqual(names.toSorted());
  });

  it('are what production starts with', () => {
    expect(() => loadConfig(RUN, { ...COMPLETE, ...values.config })).not.toThrow();
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
  const manifests = missing ? [] : render(...BACKUP);
  const find = (kind: string, name: string): Manifest => {
    const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
    if (!found) throw new Error(`The chart renders no ${kind} ${name}.`);
    return found;
  };
  const pod = (role: string): PodSpec => {
    if (role === 'backup') return find('CronJob', 'dragonfly-backup').spec.jobTemplate.spec.template.spec;
    return find(role === 'migrate' ? 'Job' : 'Deployment', `dragonfly-${role}`).spec.template.spec;
  };

  it('[K8S-2] passes helm lint --strict', () => {
    expect(lint()).toBe('');
  });

  it.each(['image.tag=latest', 'config.DRAGONFLY_UNKNOWN=x', 'api.replica=1', 'service.port=0'])(
    '[K8S-2] [K8S-8] refuses --set %s',
    (value) => {
      expect(() => render('--set', value)).toThrow(/schema/);
    },
  );

  describe.each([...RUN, 'backup'] as const)('the pod of %s', (role) => {
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
      expect(mounts.filter(({ name }) => !['secrets', 'backups'].includes(name))).toEqual([
        { name: 'tmp', mountPath: '/tmp' },
      ]);
      const volumes = pod(role)['volumes'] as readonly Named[];
      expect(volumes.filter(({ name }) => !['secrets', 'backups'].includes(name))).toEqual([
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

    it('[K8S-1] runs the one image, or what of it has the programs for a backup', () => {
      const { appVersion } = parse(read('Chart.yaml')) as { appVersion: string };
      const args = { migrate: ['migrate', 'up'], backup: expect.arrayContaining(['backup']) as unknown };
      expect(pod(role).containers[0]).toMatchObject({
        image: `${role === 'backup' ? 'dragonfly-operator' : 'dragonfly'}:v${appVersion}`,
        args: role in args ? args[role as 'backup'] : [role],
      });
    });

    it('[SEC-1] reads exactly its own secrets, by reference', () => {
      const expected = secretsOf(role).map((key) => ({
        key,
        secret: `dragonfly-${role}`,
        optional: (variables as Record<string, Variable>)[key]?.optional,
      }));
      const read = ['api', 'worker'].includes(role) ? mountedIn(pod(role)) : referencesOf(pod(role));
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
    expect(checksum(render('--set', 'api.replicas=3'))).toBe(checksum(manifests));
  });

  it('[DEP-6] [SEC-1] the ConfigMap passes env-doctor, with no secret in it', async () => {
    const folder = mkdtempSync(`${tmpdir()}/configmap-`);
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const examined = async (more: Record<string, string>): Promise<Answer> => {
      const values = Object.entries({ ...find('ConfigMap', 'dragonfly').data, ...more });
      writeFileSync(
        `${folder}/configmap.env`,
        values.map(([name, value]) => `${name}='${value}'\n`).join(''),
      );
      return await invoke(['env-doctor', '--public', '--file', `${folder}/configmap.env`, '--strict'], {});
    };
    expect(await examined({})).toMatchObject({ code: 0 });
    expect(await examined({ DRAGONFLY_METRICS_TOKEN: COMPLETE.DRAGONFLY_METRICS_TOKEN })).toMatchObject({
      code: 1,
      output: expect.stringContaining('tier: DRAGONFLY_METRICS_TOKEN'),
    });
    expect(await examined({ LOG_LEVEL: 'loud' })).toMatchObject({ code: 1 });
  });

  describe('[DATA-9] the alerts', () => {
    const OPERATOR = ['--api-versions', 'monitoring.coreos.com/v1'];

    it('are there where the cluster knows their kind, unless they are switched off', () => {
      expect(alertsOf()).toEqual([]);
      expect(alertsOf(...OPERATOR)).toHaveLength(1);
      expect(alertsOf('--set', 'alerts.enabled=true')).toHaveLength(1);
      expect(alertsOf(...OPERATOR, '--set', 'alerts.enabled=false')).toEqual([]);
      expect(() => alertsOf('--set', 'alerts.enabled=maybe')).toThrow(/schema/);
    });

    it('are those of the file, under the labels by which a Prometheus chooses them', () => {
      const [rule] = alertsOf(...OPERATOR, '--set', 'alerts.labels.release=prometheus');
      expect(rule?.spec).toEqual(parse(read('alerts.yaml')));
      expect(rule?.metadata).toMatchObject({ name: 'dragonfly', labels: { release: 'prometheus' } });
    });

    it('name a heading of a runbook each', () => {
      const { groups } = parse(read('alerts.yaml')) as {
        groups: { rules: { annotations: { runbook: string } }[] }[];
      };
      const pages = groups
        .flatMap(({ rules }) => rules)
        .map(({ annotations }) => annotations.runbook.split('#'));
      expect(pages.length).toBeGreaterThan(1);
      for (const [page = '', heading] of pages) {
        const headings = readFileSync(`${CHART}/../../${page}`, 'utf8').match(/(?<=^##+ ).+$/gm) ?? [];
        expect(headings.map((text) => text.toLowerCase().replaceAll(' ', '-'))).toContain(heading);
      }
    });
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
    const { config } = parse(read('values.yaml')) as { config: Record<string, string> };
    expect(pod('migrate').containers[0].env).toEqual(
      expect.arrayContaining(Object.entries(config).map(([name, value]) => ({ name, value }))),
    );
  });

  describe('[DATA-8] the backup', () => {
    it('is off unless it is asked for, and then needs a volume', () => {
      expect(render().filter(({ kind }) => kind === 'CronJob')).toEqual([]);
      expect(() => render('--set', 'backup.enabled=true')).toThrow(/claimName/);
    });

    it('is made every hour, one at a time, into a folder of its own on that volume', () => {
      expect(find('CronJob', 'dragonfly-backup').spec).toMatchObject({
        schedule: '0 * * * *',
        timeZone: 'Etc/UTC',
        concurrencyPolicy: 'Forbid',
        jobTemplate: { spec: { activeDeadlineSeconds: 3000 } },
      });
      const [container] = pod('backup').containers;
      expect(container.args).toEqual(['backup', '--to', '/backups/$(POD_NAME)', '--keep', '48']);
      expect(container.env).toContainEqual({
        name: 'POD_NAME',
        valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
      });
      expect(container['volumeMounts']).toContainEqual({ name: 'backups', mountPath: '/backups' });
      expect(pod('backup')).toMatchObject({
        restartPolicy: 'Never',
        securityContext: { fsGroup: 10001 },
        volumes: expect.arrayContaining([
          { name: 'backups', persistentVolumeClaim: { claimName: 'backups' } },
        ]) as unknown,
      });
    });
  });

  describe('[ARC-10] all pools together', () => {
    it('are told to the doctor by the most replicas of each role, with one that a rollout adds', () => {
      const { data = {} } = find('ConfigMap', 'dragonfly');
      const config = loadConfig(['doctor'], { ...COMPLETE, ...data });
      expect([config.DRAGONFLY_API_REPLICAS_MAX, config.DRAGONFLY_WORKER_REPLICAS_MAX]).toEqual([3, 3]);
      expect(find('Deployment', 'dragonfly-api').spec).toMatchObject({
        replicas: 2,
        strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      });
    });

    it('fit the database, or the chart is refused', () => {
      // (3 api × 10) + (7 worker × 11) = 107; the default of the pool is the service's.
      expect(variables.DRAGONFLY_DATABASE_POOL_MAX.fallback).toBe('10');
      expect(() => render('--set', 'worker.replicas=6')).toThrow(/may open 107 connections, .* gives 97/);
      expect(() => render('--set', 'worker.replicas=6,databaseConnections=107')).not.toThrow();
      expect(() => render('--set', 'worker.replicas=6,databaseConnections=0')).not.toThrow();
      expect(() => render('--set-string', 'config.DRAGONFLY_DATABASE_POOL_MAX=20')).toThrow(/may open 123 /);
    });
  });
});

const alertsOf = (...args: string[]) => render(...args).filter(({ kind }) => kind === 'PrometheusRule');

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
