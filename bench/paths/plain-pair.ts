import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Child } from '../child.ts';
import { type RunningPath, SERVICES, type Surroundings } from '../path.ts';
import type { Side } from '../topology.ts';

/** One port to listen at, and where its connections go. */
export interface Hop {
  readonly service: string;
  readonly listen: string;
  readonly to: string;
}

export interface PlainPairOptions {
  readonly argv: (configuration: string) => readonly string[];
  readonly configuration: (end: 'client' | 'server', hops: readonly Hop[], surroundings: Surroundings) => string;
}

/** Two instances of a proxy that opens a TLS connection for each TCP connection, and so has a TLS port for each service. */
export async function startPlainPair(options: PlainPairOptions, surroundings: Surroundings): Promise<RunningPath> {
  const { topology, listenPort, tunnelPort, application, directory, signal } = surroundings;
  const start = async (end: 'client' | 'server', side: Side, port: number, to: { ip: string; port: number }): Promise<Child> => {
    const hops = SERVICES.map((service, index) => ({ service, listen: `${side.ip}:${port + index}`, to: `${to.ip}:${to.port + index}` }));
    const file = path.join(directory, `${end}.conf`);
    writeFileSync(file, options.configuration(end, hops, surroundings));
    return await Child.start(side, 'proxy', options.argv(file), { readiness: { kind: 'port', port: port + SERVICES.length - 1 }, log: path.join(directory, `${end}.log`), signal });
  };
  const startServer = async (): Promise<Child> => await start('server', topology.server, tunnelPort, application);
  let far = await startServer();
  try {
    const near = await start('client', topology.client, listenPort, { ip: topology.server.ip, port: tunnelPort });
    return {
      clientAddress: { ip: topology.client.ip, port: listenPort },
      tunnelAddress: { ip: topology.server.ip, port: tunnelPort },
      get processes() {
        return [near, far].flatMap((child) => [child.pid, ...child.workers]);
      },
      restartServer: async () => {
        await far.stop();
        far = await startServer();
      },
      stop: async () => void (await Promise.all([near.stop(), far.stop()])),
    };
  } catch (thrown) {
    await far.stop();
    throw thrown;
  }
}
