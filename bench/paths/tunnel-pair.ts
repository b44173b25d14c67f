import path from 'node:path';
import { Child } from '../child.ts';
import { type Address, atPort, type Path, type RunningPath, SERVICES, type Surroundings } from '../path.ts';
import type { Side } from '../topology.ts';

/** What `--role`, `--listen`, `--target`, `--peer` and `--certs` follow. */
export type Program = readonly string[];

export interface ProgramPathOptions {
  readonly name: string;
  readonly description: string;
  readonly prepare: (signal: AbortSignal) => Promise<{ readonly program: Program; readonly version: string }>;
  /** Words that all its processes get as well. */
  readonly more?: readonly string[];
}

/**
 * Two programs with one command line and one TLS port: the client's end knows for each port where the application is,
 * and the server's end is told by CONNECT.
 */
export function tunnelPair(options: ProgramPathOptions): Path {
  let program: Program = [];
  return {
    name: options.name,
    description: options.description,
    prepare: async (signal) => {
      const prepared = await options.prepare(signal);
      program = prepared.program;
      return prepared.version;
    },
    start: async (surroundings) => await startPair([...program], options.more ?? [], surroundings),
  };
}

async function startPair(program: Program, more: readonly string[], { topology, listenPort, tunnelPort, application, certificates, directory, signal }: Surroundings): Promise<RunningPath> {
  const { client, server } = topology;
  const tunnel = { ip: server.ip, port: tunnelPort };
  const startServer = async (): Promise<Child> =>
    await Child.start(server, 'proxy', [...program, '--role', 'server', '--listen', atPort(server, tunnelPort), '--certs', certificates.directory, ...more], {
      readiness: { kind: 'line' },
      log: path.join(directory, 'server.log'),
      signal,
    });
  const services = servicesOf(client, listenPort, application);
  let far = await startServer();
  try {
    const near = await Child.start(client, 'proxy', [...program, '--role', 'client', ...services, '--peer', atPort(tunnel, tunnelPort), '--certs', certificates.directory, ...more], {
      readiness: { kind: 'line' },
      log: path.join(directory, 'client.log'),
      signal,
    });
    return {
      clientAddress: { ip: client.ip, port: listenPort },
      tunnelAddress: tunnel,
      get processes() {
        return [near.pid, far.pid];
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

/** `--listen` and `--target` for each service. */
export function servicesOf(side: Side, listenPort: number, application: Address): readonly string[] {
  return SERVICES.flatMap((_, index) => ['--listen', atPort(side, listenPort + index), '--target', atPort(application, application.port + index)]);
}
