import path from 'node:path';
import { Child } from '../child.ts';
import { atPort, type Path } from '../path.ts';
import { type Program, type ProgramPathOptions, servicesOf } from './tunnel-pair.ts';

/** One program with `--role same-node`, which carries from its listeners to the application, as if both were pods of its node. */
export function sameNode(options: ProgramPathOptions): Path {
  let program: Program = [];
  return {
    name: options.name,
    description: options.description,
    topologies: ['loopback'],
    prepare: async (signal) => {
      const prepared = await options.prepare(signal);
      program = prepared.program;
      return prepared.version;
    },
    start: async ({ topology: { client }, listenPort, tunnelPort, application, certificates, directory, signal }) => {
      const argv = [...program, '--role', 'same-node', ...servicesOf(client, listenPort, application), '--peer', atPort(client, tunnelPort), '--certs', certificates.directory, ...(options.more ?? [])];
      const child = await Child.start(client, 'proxy', argv, { readiness: { kind: 'line' }, log: path.join(directory, 'agent.log'), signal });
      return { clientAddress: { ip: client.ip, port: listenPort }, tunnelAddress: undefined, processes: [child.pid], restartServer: undefined, stop: async () => await child.stop() };
    },
  };
}
