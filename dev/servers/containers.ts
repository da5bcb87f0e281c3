import { isIP } from 'node:net';
import { type Container, type Server, never } from './server.ts';

/** Testcontainers is big, so it is loaded only when a container is wanted. */
const load = async () => await import('testcontainers');

/** Why there are no containers, or undefined when an engine answers. */
export async function containerFault(): Promise<string | undefined> {
  try {
    await (await load()).getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Published where this process reaches it and nowhere else. Testcontainers' reaper removes it when this process dies. */
export async function startContainer(name: string, container: Container): Promise<Server> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await load();
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
  const published = { HostIp: addressOf(host), HostPort: '0' };
  class LoopbackContainer extends GenericContainer {
    protected override beforeContainerCreated(): Promise<void> {
      this.hostConfig.PortBindings = { [`${container.port}/tcp`]: [published] };
      return Promise.resolve();
    }
  }
  const { pattern, times } = container.readyLog;
  const started = await new LoopbackContainer(container.image)
    .withExposedPorts(container.port)
    .withEnvironment({ ...container.environment })
    .withCommand([...(container.command ?? [])])
    .withWaitStrategy(Wait.forLogMessage(pattern, times))
    .start();
  return {
    kind: 'container',
    description: `${name} (container ${container.image.split('@')[0]})`,
    url: container.url(host === 'localhost' ? LOOPBACK : host, started.getMappedPort(container.port)),
    ready: Promise.resolve(),
    ended: never,
    stop: async () => {
      await started.stop();
    },
  };
}

const LOOPBACK = '127.0.0.1';

/** Inside a container the host is a gateway's address, and of a remote engine a name, whose address is not ours to know. */
function addressOf(host: string): string {
  if (isIP(host) !== 0) return host;
  return host === 'localhost' ? LOOPBACK : '0.0.0.0';
}
