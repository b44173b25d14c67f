import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { inNetwork } from '@landbridge/lab/network.ts';
import { REPOSITORY } from '@landbridge/lab/paths.ts';
import { outcomeOf, run } from '@landbridge/lab/run.ts';
import { Child } from '../child.ts';
import type { End, Path, RunningPath, Surroundings } from '../path.ts';
import type { Side } from '../topology.ts';
import { captureRules, environmentOf, HBONE_PORT, localDiscovery, OUTBOUND_PORT, programOf, versionOf } from './ztunnel-configuration.ts';

/** Names the program: it is in no package, and takes longer to build than all else here to run. */
export const ZTUNNEL = programOf(process.env['ZTUNNEL']);

const PACKAGES: Readonly<Record<string, readonly string[]>> = { nftables: ['/usr/sbin/nft'] };
const TABLE = 'bench-ztunnel';
/** In the callers' namespace only (RFC 5737). */
const SERVICE_IP = '192.0.2.100';
const CERTIFICATE_SERVICE = path.join(REPOSITORY, 'bench/peers/certificate-service.ts');
const REMOVAL_TIMEOUT_MS = 10_000;

export const ztunnel: Path = {
  name: 'ztunnel',
  description: "Istio's ztunnel in dedicated mode, one worker thread each, AES-256-GCM as it prefers; callers reach it by a TPROXY rule, and no caller's address is kept",
  // Its ports are its own: two of them need two namespaces.
  topologies: ['veth'],
  prepare: async (signal) => {
    if (ZTUNNEL === undefined) {
      throw new LandbridgeError('machine-unfit', 'the path ztunnel needs the environment variable ZTUNNEL, which names the program', { hint: 'Build https://github.com/istio/ztunnel with cargo build --release, or leave ztunnel out of --paths.' });
    }
    await installPackages(PACKAGES, signal);
    return versionOf(await run([ZTUNNEL, 'version'], { signal }));
  },
  start,
};

async function start(surroundings: Surroundings): Promise<RunningPath> {
  const { topology, tunnelPort, application, certificates, directory, signal } = surroundings;
  const { client, server } = topology;
  const discovery = path.join(directory, 'discovery.yaml');
  writeFileSync(discovery, localDiscovery({ clientIp: client.ip, serverIp: server.ip, serviceIp: SERVICE_IP, firstPort: application.port }));
  const authority = { ip: server.ip, port: tunnelPort };
  const proxy = async (end: End, side: Side, port: number): Promise<Child> => {
    const environment = environmentOf(end, { certificates: certificates.directory, serverName: certificates.serverName, certificateService: authority, discovery });
    const argv = ['env', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`), ZTUNNEL ?? ''];
    return await Child.start(side, 'proxy', argv, { readiness: { kind: 'port', port }, log: path.join(directory, `${end}.log`), signal });
  };
  const startServer = async (): Promise<Child> => await proxy('server', server, HBONE_PORT);
  await using started = new AsyncDisposableStack();
  const stopped = (child: Child): Child => {
    started.defer(async () => await child.stop());
    return child;
  };
  stopped(await Child.start(server, 'load', [process.execPath, CERTIFICATE_SERVICE, '--certs', certificates.directory, '--port', String(authority.port)], { readiness: { kind: 'line' }, log: path.join(directory, 'authority.log'), signal }));
  let far = await startServer();
  started.defer(async () => await far.stop());
  const near = stopped(await proxy('client', client, OUTBOUND_PORT));
  started.defer(async () => await release(client));
  await capture(client, signal);
  const all = started.move();
  return {
    clientAddress: { ip: SERVICE_IP, port: application.port },
    tunnelAddress: { ip: server.ip, port: HBONE_PORT },
    get processes() {
      return [near.pid, far.pid];
    },
    restartServer: async () => {
      await far.stop();
      far = await startServer();
    },
    stop: async () => await all.disposeAsync(),
  };
}

/** What callers send to the service goes to their own end's listener, over loopback as to any other proxy here. */
async function capture(side: Side, signal: AbortSignal): Promise<void> {
  await run(['ip', '-n', side.netns, 'route', 'add', 'local', `${SERVICE_IP}/32`, 'dev', 'lo', 'src', side.ip], { signal });
  await run(inNetwork(side.netns, ['/usr/sbin/nft', '-f', '-']), { signal, input: captureRules(TABLE, SERVICE_IP) });
}

async function release(side: Side): Promise<void> {
  // Not the run's own signal: the removal follows its abort. What is not there need not go.
  const signal = AbortSignal.timeout(REMOVAL_TIMEOUT_MS);
  await outcomeOf(inNetwork(side.netns, ['/usr/sbin/nft', 'delete', 'table', 'ip', TABLE]), { signal });
  await outcomeOf(['ip', '-n', side.netns, 'route', 'del', 'local', `${SERVICE_IP}/32`, 'dev', 'lo'], { signal });
}
