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

/** Published on loopback only. Testcontainers' reaper removes it when this process dies. */
export async function startContainer(name: string, container: Container): Promise<Server> {
  const { GenericContainer, Wait } = await load();
  class LoopbackContainer extends GenericContainer {
    protected override beforeContainerCreated(): Promise<void> {
      this.hostConfig.PortBindings = { [`${container.port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: '0' }] };
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
    url: container.url(started.getHost(), started.getMappedPort(container.port)),
    ready: Promise.resolve(),
    ended: never,
    stop: async () => {
      await started.stop();
    },
  };
}
