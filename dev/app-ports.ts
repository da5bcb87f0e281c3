import { freePort } from './servers/ports.ts';

export interface AppPorts {
  readonly PORT: string;
  readonly DRAGONFLY_METRICS_PORT: string;
}

/** Ports for the app, from the ones that were asked for upwards, and what to tell about busy ones. */
export async function choosePorts(
  environment: Readonly<Record<string, string>>,
): Promise<{ ports: AppPorts; notes: string[] }> {
  const wanted = {
    PORT: environment['PORT'] ?? '3000',
    DRAGONFLY_METRICS_PORT: environment['DRAGONFLY_METRICS_PORT'] ?? '9090',
  };
  // What is no port number is left to the app, which says what is wrong with it.
  const api = isPort(wanted.PORT) ? await freePort(Number(wanted.PORT)) : wanted.PORT;
  const metrics = isPort(wanted.DRAGONFLY_METRICS_PORT)
    ? await freePort(Number(wanted.DRAGONFLY_METRICS_PORT), Number(api))
    : wanted.DRAGONFLY_METRICS_PORT;
  const ports = { PORT: String(api), DRAGONFLY_METRICS_PORT: String(metrics) };
  const moved = (['PORT', 'DRAGONFLY_METRICS_PORT'] as const).filter(
    (name) => wanted[name] !== '0' && wanted[name] !== ports[name],
  );
  return { ports, notes: moved.map((name) => `port ${wanted[name]} was busy, ${ports[name]} is used`) };
}

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
