import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fatalLine } from '@landbridge/core/errors.ts';
import { missingOf } from '@landbridge/core/kernel-report.ts';
import { TERMINATION_MESSAGE_FILE, terminationMessage } from '@landbridge/core/termination-message.ts';
import { HBONE_PORT } from '@landbridge/ebpf/capture-layout.ts';
import { makeRoomForDescriptors } from '@landbridge/native/descriptor-table.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import pino, { type Logger } from 'pino';
import { ADMIN_PORT, startAdminServer } from './admin/admin-server.ts';
import { agentSources } from './admin/agent-sources.ts';
import { LogLevels } from './admin/log-levels.ts';
import { Acceleration } from './capture/acceleration.ts';
import type { Company } from './capture/agent-groups.ts';
import { Capture } from './capture/capture.ts';
import { kernelText, reportKernel } from './capture/kernel-features.ts';
import { watchKubelet } from './capture/kubelet-watch.ts';
import { PodAccelerations } from './capture/pod-accelerations.ts';
import { type AgentEnvironment, findCgroup2, readEnvironment } from './config.ts';
import { answeringResolver } from './dns/answering-resolver.ts';
import { DnsService } from './dns/dns-service.ts';
import { NameMetrics } from './dns/name-metrics.ts';
import { onDemandResolver } from './dns/on-demand-resolver.ts';
import { controlPlaneAccess } from './control-plane-access.ts';
import { hostLookup } from './discovery/host-lookup.ts';
import { HostResolver } from './discovery/host-resolver.ts';
import { Discovery } from './discovery/xds-client.ts';
import { depart, type Leaver } from './departure.ts';
import { AgentHandover } from './handover/agent-handover.ts';
import { startHealthServers, startHealthSocket } from './health-server.ts';
import { GrpcCertificateAuthority } from './identity/ca-client.ts';
import { CertificateStore } from './identity/certificate-store.ts';
import { CertificateTrust } from './identity/trust-source.ts';
import { releaseIdleMemory } from './idle-memory.ts';
import { LineBatch } from './line-batch.ts';
import { countInKernel, tellVersion } from './metrics.ts';
import { NodePorts } from './node-ports.ts';
import type { LocalPod } from './pods/local-pod.ts';
import { type Carrier, PodCaptures } from './pods/pod-captures.ts';
import { podFeeds } from './pods/pod-feeds.ts';
import { ConnectionLog } from './proxy/connection-log.ts';
import { DataPlane, DEFAULT_TUNING } from './proxy/data-plane.ts';
import { DirectTraffic } from './proxy/direct-traffic.ts';
import { PodTraffic } from './proxy/pod-traffic.ts';
import { TrafficMetrics } from './proxy/traffic-metrics.ts';
import { reportTraffic } from './proxy/traffic-reporter.ts';
import { Readiness } from './readiness.ts';
import { VERSION } from './version.ts';

const READY_PORT = 15021;
const METRICS_PORT = 15020;
/** Connections that wait for a data thread of a gateway. */
const BACKLOG = 4096;
/** For which there is room from the beginning on: none of 8,000 connections waits for it, nor do those of a hand-over, which all come in a second. */
const DESCRIPTORS = 16_384;
/** Of the grace period, what is left for cutting and cleaning up after connections had their time. */
const CLEANUP_SECONDS = 5;

async function main(): Promise<void> {
  const environment = readEnvironment(process.env);
  makeRoomForDescriptors(DESCRIPTORS);
  const lines = new LineBatch(pino.destination(1));
  const levels = new LogLevels(environment.LOG_LEVEL as LogLevels['level']);
  const log = pino({ level: environment.LOG_LEVEL, base: { node: environment.NODE_NAME }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) }, onChild: levels.add }, lines);
  levels.add(log);
  tellVersion(VERSION);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const scope = (name: string): Logger => log.child({ scope: name });

  const tellsTrust = environment.TRUST_SOURCE === 'discovery';
  const discovery = new Discovery(controlPlaneAccess('XDS', environment, process.env), { name: environment.POD_NAME, namespace: environment.POD_NAMESPACE, node: environment.NODE_NAME, cluster: environment.CLUSTER_ID, ip: environment.INSTANCE_IP }, scope('discovery'), { asksForTrust: tellsTrust, clusterDomain: environment.CLUSTER_DOMAIN, isOnDemand: environment.XDS_ON_DEMAND === 'true' && environment.ROLE === 'node' });
  const certificates = new CertificateStore(new GrpcCertificateAuthority(controlPlaneAccess('CA', environment, process.env), environment.CLUSTER_ID), scope('identity'));
  const trust = tellsTrust ? discovery : new CertificateTrust(certificates, environment.TRUST_DOMAIN);
  const readiness = new Readiness(scope('readiness'));
  const discovered = readiness.register('state manager');
  const captured = readiness.register('proxy');
  void discovery.ready.then(() => discovered.done());

  using accelerations = new PodAccelerations(() => new Acceleration(cgroupRoot(environment)), scope('capture'));
  using hosts = new HostResolver(hostLookup());
  using traffic = new PodTraffic({ cluster: environment.CLUSTER_ID, trustDomain: environment.TRUST_DOMAIN, network: environment.NETWORK, node: environment.NODE_NAME, discovery, trust, certificates, hosts, accelerations, log: scope('proxy'), onDeath: () => process.exit(1) });
  const threads = environment.WORKERS || availableParallelism();
  await using plane = new DataPlane(threads, { ...DEFAULT_TUNING, sameNode: environment.SAME_NODE, accessLog: environment.ACCESS_LOG }, traffic);
  await plane.ready;
  traffic.serve(plane);
  readiness.watchThreads(() => plane.heartbeat());

  const trafficMetrics = new TrafficMetrics();
  const nameMetrics = new NameMetrics(discovery.registry, environment.NETWORK);
  const nameOptions = { clusterDomain: environment.CLUSTER_DOMAIN, network: environment.NETWORK, random: Math.random };
  const count = nameMetrics.requested.bind(nameMetrics);
  const resolver = discovery.onDemand === undefined ? answeringResolver(discovery, nameOptions, count) : onDemandResolver(discovery, discovery.onDemand, nameOptions, count);
  await using names = new DnsService(resolver, nameMetrics);
  using served = environment.ROLE === 'gateway' ? serveGateway(environment, traffic, threads) : servePods(environment, { traffic, names, plane, trafficMetrics, threads, readiness, log });
  await using _own = environment.HEALTH_SOCKET === '' ? undefined : await startHealthSocket(environment.HEALTH_SOCKET, readiness, scope('health'));
  await using ports = new NodePorts(() => served.isFollowing(), scope('health'));
  await ports.open(async () => await startHealthServers({ readyPort: READY_PORT, ...(environment.ROLE === 'gateway' ? { readyHost: '0.0.0.0' } : {}), metricsPort: METRICS_PORT, readiness, log: scope('health') }));
  await startAdmin(ports, log, agentSources({ environment, levels, discovery, certificates, pods: () => served.pods(), plane, trustDomain: environment.TRUST_DOMAIN, quit: () => stop.abort() }));

  log.info({ cluster: environment.CLUSTER_ID, trust_domain: environment.TRUST_DOMAIN, role: environment.ROLE, threads }, 'agent started');
  const reporting = new AbortController();
  const reports = Promise.all([reportTraffic(plane, trafficMetrics, new ConnectionLog(log, environment.ACCESS_LOG, lines), discovery.dials, reporting.signal), served.direct?.run(signal, reporting.signal)]);
  await Promise.all([releaseIdleMemory(plane, () => readiness.pending().length === 0, scope('memory'), signal), discovery.run(signal), served.run(signal, () => captured.done())]);
  const graceMs = Math.max(1, environment.TERMINATION_GRACE_PERIOD_SECONDS - CLEANUP_SECONDS) * 1000;
  const open = { isIdle: async () => names.isIdle() && (await plane.isIdle()), drain: async (grace: AbortSignal) => void (await Promise.all([plane.drain(grace), names.drain(grace)])) };
  log.info({ grace_ms: graceMs }, 'agent stops: connections may end by themselves');
  await depart(served, open, ports, AbortSignal.timeout(graceMs));
  const cut = await plane.openConnections();
  if (cut > 0) log.warn({ connections: cut }, 'open connections end: the grace period is over');
  await served.end();
  reporting.abort();
  // A thread that is stuck answers no report.
  await Promise.race([reports, delay(CLEANUP_SECONDS * 1000)]);
  log.info('agent stopped');
}

const cgroupRoot = ({ CGROUP_ROOT }: AgentEnvironment): string => CGROUP_ROOT || findCgroup2();

/** Whose traffic the agent carries. */
interface Served extends Leaver, Disposable {
  pods(): readonly LocalPod[];
  /** Whether an agent of before lives. */
  isFollowing(): boolean;
  /** Traffic that the kernel carries by itself. */
  readonly direct?: DirectTraffic | undefined;
  /** Runs until the signal aborts; calls back once what was there at the start is served. */
  run(signal: AbortSignal, onSettled: () => void): Promise<void>;
  /** Once no connection is carried any more. */
  end(): Promise<void>;
}

function servePods(environment: AgentEnvironment, { traffic, names, plane, trafficMetrics, threads, readiness, log }: { readonly traffic: PodTraffic; readonly names: DnsService; readonly plane: DataPlane; readonly trafficMetrics: TrafficMetrics; readonly threads: number; readonly readiness: Readiness; readonly log: Logger }): Served {
  const capture = new Capture({ cgroupRoot: cgroupRoot(environment), bpfRoot: environment.BPF_ROOT, sysctlRoot: environment.SYSCTL_ROOT, threads });
  countInKernel({ guardDrops: () => capture.guardDrops(), kubeletProbes: () => capture.kubeletProbes.passed() });
  const direct = environment.PLAIN_TRAFFIC === 'kernel' ? new DirectTraffic(capture.directRoutes, trafficMetrics) : undefined;
  if (direct === undefined) capture.directRoutes.clear();
  else traffic.offload(direct);
  const { source, feeds, isUninstalled } = podFeeds(environment, readiness, log);
  const captures = new PodCaptures(capture, source, carrier(traffic, names), log.child({ scope: 'capture' }), { capturesDns: environment.ISTIO_META_DNS_CAPTURE === 'true' });
  const directory = environment.HANDOVER_DIRECTORY;
  const handover = directory === '' ? undefined : new AgentHandover(plane, { directory, isAgent: (pid) => capture.isAgent(pid) }, log.child({ scope: 'handover' }));
  const settle = (onSettled: () => void) => (): void => {
    onSettled();
    handover?.begin();
  };
  const run = async (signal: AbortSignal, onSettled: () => void): Promise<void> => void (await Promise.all([captures.run(signal, settle(onSettled)), handover?.receive(() => company().hasPredecessor, signal), watchKubelet({ cgroupRoot: findCgroup2(), group: environment.KUBELET_CGROUP }, capture.kubeletProbes, log.child({ scope: 'kubelet' }), signal), ...feeds.map((feed) => feed(captures, signal))]));
  const company = (): Company => capture.look();
  const end = async (): Promise<void> => {
    if (await isUninstalled()) await captures.remove();
  };
  return { pods: () => captures.pods, direct, run, end, isFollowing: () => company().hasPredecessor, leave: () => captures.leave(), isRelieved: () => captures.isRelieved, isFollowed: () => company().hasSuccessor, handOver: async (grace) => await handover?.give(grace), [Symbol.dispose]: () => capture[Symbol.dispose]() };
}

/** Connections by the data threads, names by this one. */
function carrier(traffic: PodTraffic, names: DnsService): Carrier {
  return {
    add: (pod, captured) => {
      traffic.add(pod, captured);
      names.add(pod, captured);
    },
    remove: async (uid, lives) => void (await Promise.all([traffic.remove(uid, lives), names.remove(uid)])),
    equipped: async (uids) => await traffic.equipped(uids),
  };
}

/** One pod, the gateway itself, at the HBONE port of its own network namespace. */
function serveGateway({ POD_NAME, POD_NAMESPACE, SERVICE_ACCOUNT, INSTANCE_IP }: AgentEnvironment, traffic: PodTraffic, threads: number): Served {
  const pod: LocalPod = { uid: 'gateway', namespace: POD_NAMESPACE, name: POD_NAME, serviceAccount: SERVICE_ACCOUNT, addresses: [INSTANCE_IP], announced: true, wantsAcceleration: false };
  return {
    pods: () => [pod],
    isFollowing: () => false,
    leave: () => {},
    // Clients of a gateway go to the next one by themselves.
    isRelieved: () => true,
    isFollowed: () => true,
    run: async (signal, onSettled) => {
      traffic.addGateway(pod, listenHere('0.0.0.0', HBONE_PORT, BACKLOG, threads));
      onSettled();
      await once(signal, 'abort');
    },
    end: async () => {},
    [Symbol.dispose]: () => {},
  };
}

/** Where somebody who is no agent has the port, the agent does its work without. */
async function startAdmin(ports: NodePorts, log: Logger, sources: Parameters<typeof startAdminServer>[0]['sources']): Promise<void> {
  try {
    await ports.open(async () => await startAdminServer({ port: ADMIN_PORT, sources, log: log.child({ scope: 'admin' }) }));
  } catch (thrown) {
    log.warn({ port: ADMIN_PORT, error: String(thrown) }, 'there is no admin port');
  }
}

/** Says what the node's kernel has of what capture needs, and ends: for whoever wants to know before there is a pod. */
function check(asJson: boolean): number {
  const report = reportKernel();
  process.stdout.write(asJson ? `${JSON.stringify(report)}\n` : kernelText(report));
  return missingOf(report).length === 0 ? 0 : 1;
}

/** Last words for Kubernetes, by which `landbridge check` tells why there is no agent on a node. */
function leaveMessage(thrown: unknown): void {
  if (!existsSync(TERMINATION_MESSAGE_FILE)) return;
  try {
    writeFileSync(TERMINATION_MESSAGE_FILE, terminationMessage(thrown));
  } catch {
    // The log has it too.
  }
}

const [, , command, format] = process.argv;
(command === '--check' ? Promise.resolve().then(() => check(format === '--json')) : main().then(() => 0)).then(
  // Open connections must not keep a stopped agent alive.
  (status) => process.exit(status),
  (thrown: unknown) => {
    process.stderr.write(fatalLine(thrown));
    leaveMessage(thrown);
    process.exit(1);
  },
);
