import { containerFault, startContainer } from './containers.ts';
import { type Absent, type Placement, type Server, type Service, never } from './server.ts';

export interface Sources extends Placement {
  /** A server that somebody else runs. */
  readonly url?: string | undefined;
  /** The variable in which that URL can be given, if there is one, for messages. */
  readonly variable?: string;
  /** Rather no server than the wait for a container that nobody asked for. */
  readonly noContainer?: boolean;
}

/**
 * Finds or starts a server: the given URL, else a program of this machine, else a container; with `SERVICES=containers` no
 * program. The one place where dev, demo, tests and benchmarks get their servers from.
 *
 * @throws Error when containers are asked for and no engine answers
 */
export async function resolveServer(service: Service, sources: Sources): Promise<Server | Absent> {
  const { url, variable, noContainer = false } = sources;
  const onlyContainers = process.env['SERVICES'] === 'containers';
  const hint = `${service.hint}${variable === undefined ? '' : `, or set ${variable}`}.`;
  if (url) return given(service, url);
  if (!onlyContainers) {
    const local = await service.startLocal(sources);
    if (local) return local;
    if (noContainer) return { kind: 'absent', reason: `no program found. ${hint}` };
  }
  const fault = await containerFault();
  if (fault === undefined) return await startContainer(service.name, service.container);
  if (onlyContainers) throw new Error(`SERVICES=containers, but no container engine answers: ${fault}`);
  return { kind: 'absent', reason: `neither a program nor a container engine found. ${hint}` };
}

/** @throws Error when the server is absent */
export async function requireServer(service: Service, sources: Sources): Promise<Server> {
  const server = await resolveServer(service, sources);
  if (server.kind === 'absent') throw new Error(`${service.name} is required: ${server.reason}`);
  return server;
}

function given(service: Service, url: string): Server {
  return {
    kind: 'url',
    description: `${service.name} at ${new URL(url).host} (given)`,
    url,
    ready: Promise.resolve(),
    ended: never,
    stop: () => Promise.resolve(),
  };
}
