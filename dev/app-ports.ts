import { freePort } from './servers/ports.ts';

type AppPorts = Readonly<Record<'PORT' | 'DRAGONFLY_METRICS_PORT', string>>;

export type PortChooser = (
  environment: Readonly<Record<string, string>>,
) => Promise<{ readonly ports: AppPorts; readonly notes: readonly string[] }>;

/** Chooses free ports for the app, from the ones that were asked for upwards, and the same again after a restart. */
export function createPortChooser(): PortChooser {
  const chosen = new Map<string, string>();
  return async (environment) => {
    const notes: string[] = [];
    async function choose(name: keyof AppPorts, fallback: string, except?: string): Promise<string> {
      const wanted = environment[name] ?? fallback;
      // What is no port is left to the app, which says what is wrong with it.
      if (!/^\d{1,5}$/.test(wanted) || Number(wanted) > 65_535) return wanted;
      const before = chosen.get(`${name} ${wanted}`);
      const port = String(await freePort(Number(before ?? wanted), Number(except)));
      chosen.set(`${name} ${wanted}`, port);
      if (wanted !== '0' && port !== (before ?? wanted))
        notes.push(`port ${wanted} was busy, ${port} is used`);
      return port;
    }
    const api = await choose('PORT', '3000');
    const metrics = await choose('DRAGONFLY_METRICS_PORT', '9090', api);
    return { ports: { PORT: api, DRAGONFLY_METRICS_PORT: metrics }, notes };
  };
}
