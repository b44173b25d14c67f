import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import path from 'node:path';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { CAPTURE_ABI, CAPTURE_OBJECT } from '@landbridge/ebpf/capture-object.ts';
import { maps } from '@landbridge/ebpf/capture-skeleton.ts';
import { addressBytes, DIAL_KEY_BYTES, dialledAddress, DNS_PORT, DNS_SERVERS, dnsFlowKey, flowKey, GUARD_DROPS_KEY, HBONE_PORT, NETNS_KEY_BYTES, netnsKey, OUTBOUND_PORT, parseEndpoint, PLAINTEXT_PORT, podValue, RESERVED_POD, type SocketAddress, sumOfProcessors } from '@landbridge/ebpf/capture-layout.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { datagramSocketsOnLoopback, datagramSocketTo } from '@landbridge/native/datagram-socket.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, BpfObject, type BpfProgram, possibleCpus } from '@landbridge/native/libbpf.ts';
import { type FileDescriptor, openForReading } from '@landbridge/native/libc.ts';
import { findNetworkNamespace, openNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { listenOnLoopback, networkNamespaceCookie, tcpSocketIn } from '@landbridge/native/sockets.ts';
import type { AccelerationHandles } from './acceleration.ts';
import { AgentGroups, type Company } from './agent-groups.ts';
import { DirectRoutes } from './direct-routes.ts';
import { hookOfKernel, type InterfaceHook, InterfaceProgram } from './interface-program.ts';
import { kernelUnfit, missingFeatures } from './kernel-features.ts';
import { KubeletProbes } from './kubelet-probes.ts';
import { type ListenerSlot, ListenerSlots, slotsOf } from './listener-slots.ts';
import { AGENT_MARK } from './marks.ts';
import { reuseEndedPorts } from './port-reuse.ts';
import { installReplyRouting, removeReplyRouting } from './reply-routing.ts';

/** Folders of pinned links, in the order in which they are ended: those of pods first. */
const LINKS = ['netns', 'guards', 'probes', 'links'] as const;
/** Connections that wait in each listener for the agent to accept them; more are refused by the kernel. */
const BACKLOG = 1024;

const CGROUP_PROGRAMS = [
  ['lb_connect4', AttachType.CGROUP_INET4_CONNECT],
  ['lb_connect6', AttachType.CGROUP_INET6_CONNECT],
  ['lb_getpeername4', AttachType.CGROUP_INET4_GETPEERNAME],
  ['lb_getpeername6', AttachType.CGROUP_INET6_GETPEERNAME],
  ['lb_dns_connect4', AttachType.CGROUP_INET4_CONNECT],
  ['lb_dns_connect6', AttachType.CGROUP_INET6_CONNECT],
  ['lb_dns_sendmsg4', AttachType.UDP4_SENDMSG],
  ['lb_dns_sendmsg6', AttachType.UDP6_SENDMSG],
  ['lb_dns_recvmsg4', AttachType.UDP4_RECVMSG],
  ['lb_dns_recvmsg6', AttachType.UDP6_RECVMSG],
  ['lb_sockops', AttachType.CGROUP_SOCK_OPS],
  ['lb_direct_sockops', AttachType.CGROUP_SOCK_OPS],
  ['lb_post_bind4', AttachType.CGROUP_INET4_POST_BIND],
  ['lb_post_bind6', AttachType.CGROUP_INET6_POST_BIND],
] as const;

export interface CaptureOptions {
  /** Of cgroup2: pods are below it. */
  readonly cgroupRoot: string;
  /** A bpf file system. */
  readonly bpfRoot: string;
  /** Sockets of each listener, one for each data thread: the kernel spreads connections over them. Default 1. */
  readonly threads?: number;
  /** /proc/sys, or another mount of it. Default `/proc/sys`. */
  readonly sysctlRoot?: string;
  /** How programs are attached to interfaces of pods. Default: as the kernel can. */
  readonly hook?: InterfaceHook;
}

export interface PodPlace {
  readonly uid: string;
  /** One of each family that it has. */
  readonly addresses: readonly string[];
  /** A file of its network namespace, as /proc/PID/ns/net. */
  readonly namespacePath: string;
  /** Whether its queries for names are captured too. Default false. */
  readonly capturesDns?: boolean;
}

/** Listening sockets inside the pod, to be given to servers, which then close them. */
export interface PodListeners {
  /** As many of each kind as there are threads. */
  readonly outbound: readonly number[];
  readonly plaintext: readonly number[];
  readonly hbone: readonly number[];
  /** One, where queries for names are captured. */
  readonly dns: readonly number[];
  /** Then also those for datagrams, in the order of their ports from DNS_PORT on. */
  readonly dnsDatagrams: readonly number[];
}

/** What a data thread needs of a captured pod to make sockets in it: plain data, for as long as the pod is captured. */
export interface PodHandles {
  /** Descriptor of the network namespace. */
  readonly namespace: number;
  readonly cookie: bigint;
  /** Descriptors of maps. */
  readonly originalDestinations: number;
  readonly dials: number;
  /** Where the pod is accelerated. */
  readonly acceleration?: AccelerationHandles | undefined;
}

/**
 * The kernel's half of capture. Maps and links are pinned: when the agent dies, connections of captured pods are
 * refused, and the next agent finds what is attached and replaces the programs in place.
 */
export class Capture implements Disposable {
  readonly #object: BpfObject;
  readonly #pins: string;
  readonly #threads: number;
  readonly #inbound: BpfProgram;
  readonly #agents: AgentGroups;
  readonly #pods: BpfMap;
  readonly #slots: ListenerSlots;
  readonly #originals: BpfMap;
  readonly #dials: BpfMap;
  readonly #dnsFlows: BpfMap;
  readonly #guardDrops: BpfMap;
  readonly #hook: InterfaceHook;
  /** On the way out of pods: what begins a TCP connection there passes only if it is the agent's. */
  readonly #guard: InterfaceProgram;
  /** On the way into pods: knows probes. */
  readonly #probes: InterfaceProgram;
  readonly #ofInterfaces: readonly InterfaceProgram[];
  readonly #sysctls: string;
  /** Destinations that need no agent; none at the start. */
  readonly directRoutes: DirectRoutes;
  /** What may go past the agent; nothing until it is told. */
  readonly kubeletProbes: KubeletProbes;

  /** @throws LandbridgeError `kernel-unfit`, `bpf-load`, SystemCallError */
  constructor({ cgroupRoot, bpfRoot, threads = 1, hook, sysctlRoot = '/proc/sys' }: CaptureOptions) {
    this.#sysctls = sysctlRoot;
    this.#threads = threads;
    this.#pins = path.join(bpfRoot, 'landbridge', String(CAPTURE_ABI));
    for (const directory of ['maps', ...LINKS]) mkdirSync(path.join(this.#pins, directory), { recursive: true, mode: 0o700 });
    this.#object = BpfObject.open(CAPTURE_OBJECT);
    for (const name of Object.keys(maps)) this.#object.pinMap(name, path.join(this.#pins, 'maps', name));
    load(this.#object);
    const map = (name: keyof typeof maps, values = 1): BpfMap => this.#object.map(name, maps[name].valueBytes * values);
    this.#pods = map('pods');
    this.#slots = new ListenerSlots(map('listeners'));
    this.#originals = map('original_destinations');
    this.#dials = map('dials');
    this.#dnsFlows = map('dns_flows');
    this.#guardDrops = map('guard_drops', possibleCpus());
    this.directRoutes = new DirectRoutes(map);
    this.kubeletProbes = new KubeletProbes(map);
    const guard = this.#object.program('lb_guard');
    this.#hook = hook ?? hookOfKernel(guard);
    this.#guard = new InterfaceProgram(guard, 'egress', path.join(this.#pins, 'guards'), this.#hook);
    this.#probes = new InterfaceProgram(this.#object.program('lb_probe'), 'ingress', path.join(this.#pins, 'probes'), this.#hook);
    this.#ofInterfaces = [this.#guard, this.#probes];
    this.#inbound = this.#object.program('lb_inbound');
    this.#object.program('lb_register_agent').runOnce();
    this.#agents = new AgentGroups(map('agents'), cgroupRoot);
    this.look();
    using cgroup = openForReading(cgroupRoot);
    for (const [name, type] of CGROUP_PROGRAMS) this.#attach(path.join(this.#pins, 'links', name), this.#object.program(name), cgroup, type);
  }

  /** Which other agents live on this node. Those that do not are exempt no longer. */
  look(): Company {
    return this.#agents.look();
  }

  /** Whether a process is another agent of this node. */
  isAgent(pid: number): boolean {
    return this.#agents.hasProcess(pid);
  }

  /** Whether no other agent is known. */
  get isAlone(): boolean {
    return this.#agents.isAlone;
  }

  /** Lets every other agent take over what this one serves. */
  leave(): void {
    this.#agents.leave();
  }

  /**
   * Begins to capture a pod. Its connections wait in the listeners' backlogs until somebody accepts; those of a pod that
   * another agent serves go on to that one, until {@link takeOver}.
   * @throws SystemCallError
   */
  capture(pod: PodPlace): CapturedPod {
    const namespace = openNetworkNamespace(pod.namespacePath);
    const open: FileDescriptor[] = [namespace];
    try {
      const cookie = networkNamespaceCookie(namespace.number);
      const isKnown = this.#pods.get(netnsKey(cookie))?.equals(RESERVED_POD) === false;
      // Before there is a port that can be shared: from here on only agents can bind it.
      if (!isKnown) this.#pods.set(netnsKey(cookie), RESERVED_POD);
      try {
        // What is pinned for this pod is attached to a sandbox that it had before.
        if (!isKnown) {
          BpfLink.end(this.#netnsPin(pod.uid));
          for (const program of this.#ofInterfaces) program.forget(pod.uid);
        }
        const families = pod.addresses.every((address) => isIPv4(address)) ? 'IPv4' : 'both';
        const listen = (port: number, count = this.#threads): FileDescriptor[] => {
          const listeners = listenOnLoopback(namespace.number, { port, families, backlog: BACKLOG, mark: AGENT_MARK, count });
          open.push(...listeners);
          return listeners;
        };
        const takeDatagrams = (): FileDescriptor[] => {
          const sockets = datagramSocketsOnLoopback(namespace.number, { firstPort: DNS_PORT, count: DNS_SERVERS, families, mark: AGENT_MARK });
          open.push(...sockets);
          return sockets;
        };
        const { capturesDns = false } = pod;
        const sockets = {
          outbound: listen(OUTBOUND_PORT),
          plaintext: listen(PLAINTEXT_PORT),
          hbone: listen(HBONE_PORT),
          // Names are answered by the main thread.
          dns: capturesDns ? listen(DNS_PORT, 1) : [],
          dnsDatagrams: capturesDns ? takeDatagrams() : [],
        };
        installReplyRouting(namespace.number, this.#sysctls);
        reuseEndedPorts(namespace.number, this.#sysctls);
        const slots = slotsOf(pod.addresses, mapEach(sockets, ({ number }) => number));
        this.#slots.fill(slots);
        // From the first connection on that the agent would be handed.
        this.#probes.install(namespace.number, pod.uid);
        this.#attach(this.#netnsPin(pod.uid), this.#inbound, namespace, AttachType.SK_LOOKUP);
        this.#pods.set(netnsKey(cookie), podValue(pod.addresses, capturesDns));
        this.#guard.install(namespace.number, pod.uid);
        return new CapturedPod(pod, namespace, cookie, slots, mapEach(sockets, (socket) => socket.release()), { originals: this.#originals, dials: this.#dials, dnsFlows: this.#dnsFlows });
      } catch (thrown) {
        if (!isKnown) {
          this.#pods.delete(netnsKey(cookie));
          for (const program of this.#ofInterfaces) program.forget(pod.uid);
        }
        throw thrown;
      }
    } catch (thrown) {
      for (const descriptor of open) descriptor[Symbol.dispose]();
      throw thrown;
    }
  }

  /** From here on new connections of the pod come to this agent, whoever had them. Its listeners are still open. @throws SystemCallError */
  takeOver(pod: CapturedPod): void {
    this.#slots.take(pod.slots);
  }

  /** As {@link takeOver}, where nobody has them. @throws SystemCallError */
  standIn(pod: CapturedPod): void {
    this.#slots.fill(pod.slots);
  }

  /** Whether all new connections of a pod come to this agent. */
  serves(pod: CapturedPod): boolean {
    return this.#slots.holds(pod.slots);
  }

  /** Whether no new connection of a pod comes to this agent any more. */
  isRelieved(pod: CapturedPod): boolean {
    return this.#slots.holdsNone(pod.slots);
  }

  /** Ends the capture of a pod that may live on: new connections go their own way. Its listeners are their servers' to close. */
  release(pod: CapturedPod): void {
    this.#pods.delete(netnsKey(pod.cookie));
    this.#guard.remove(pod.handles.namespace, pod.place.uid);
    BpfLink.end(this.#netnsPin(pod.place.uid));
    this.#probes.remove(pod.handles.namespace, pod.place.uid);
    // Another pod may have the address by now, captured by another agent.
    if (!this.#slots.areTaken(pod.slots)) this.#forgetDials(pod.place.addresses);
    this.#slots.empty(pod.slots);
    try {
      removeReplyRouting(pod.handles.namespace, this.#sysctls);
    } finally {
      pod[Symbol.dispose]();
    }
  }

  /** Pods that are captured in the kernel, by this agent or an earlier one. */
  pinned(): string[] {
    return readdirSync(path.join(this.#pins, 'netns'));
  }

  #forgetDials(addresses: readonly string[]): void {
    const all = addresses.map(addressBytes);
    for (const key of this.#dials.keys(DIAL_KEY_BYTES)) if (all.some((bytes) => dialledAddress(key).equals(bytes))) this.#dials.delete(key);
  }

  /** Forgets what earlier agents left of pods that are not captured any more, and what those of other layouts left at all. */
  forgetAllBut(pods: readonly CapturedPod[]): void {
    const cookies = new Set(pods.map((pod) => pod.cookie));
    const uids = new Set(pods.map((pod) => pod.place.uid));
    for (const key of this.#pods.keys(NETNS_KEY_BYTES)) if (!cookies.has(key.readBigUInt64LE())) this.#pods.delete(key);
    for (const uid of this.pinned()) if (!uids.has(uid)) this.#forget(uid);
    for (const program of this.#ofInterfaces) program.forgetAllBut(uids);
    const layouts = path.dirname(this.#pins);
    for (const layout of readdirSync(layouts)) if (layout !== String(CAPTURE_ABI)) rmSync(path.join(layouts, layout), { recursive: true, force: true });
  }

  /** Of a pod that an earlier agent captured. */
  #forget(uid: string): void {
    const pin = this.#netnsPin(uid);
    {
      using link = BpfLink.pinned(pin);
      const inode = link?.namespaceInode();
      // A classifier has no pin to end it by: it is looked for where the pod still lives. Of a namespace without a process nothing leaves.
      using namespace = this.#hook === 'tcx' || inode === undefined ? undefined : findNetworkNamespace(inode);
      if (namespace !== undefined) for (const program of this.#ofInterfaces) program.remove(namespace.number, uid);
    }
    BpfLink.end(pin);
  }

  /** Packets by which connections were to be begun around the agent, and that did not get out. */
  guardDrops(): bigint {
    return sumOfProcessors(this.#guardDrops.get(GUARD_DROPS_KEY));
  }

  /** Detaches everything and removes all pins: for uninstalling, when no pod is captured any more. */
  remove(): void {
    // Of a classifier no pin tells: it would hold back for good what the pod sends.
    this.forgetAllBut([]);
    for (const directory of LINKS) for (const name of readdirSync(path.join(this.#pins, directory))) BpfLink.end(path.join(this.#pins, directory, name));
    rmSync(path.dirname(this.#pins), { recursive: true, force: true });
  }

  #netnsPin(uid: string): string {
    return path.join(this.#pins, 'netns', uid);
  }

  #attach(pin: string, program: BpfProgram, target: FileDescriptor, type: AttachType): void {
    if (BpfLink.takeOver(pin, program)) return;
    using link = program.attach(target, type);
    link.pin(pin);
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

/** Nothing is attached yet. @throws LandbridgeError `kernel-unfit` naming each feature that the kernel lacks, else `bpf-load` */
function load(object: BpfObject): void {
  try {
    object.load();
  } catch (thrown) {
    const refusal = (thrown as LandbridgeError).cause;
    // Who may not load would be told that the kernel has nothing.
    if (refusal instanceof SystemCallError && !refusal.isForbidden) throw kernelUnfit(missingFeatures(), thrown) ?? thrown;
    throw thrown;
  }
}

type Mapped<T> = { readonly [K in keyof T]: number[] };

/** Of each socket of each kind. */
function mapEach<T extends Readonly<Record<string, readonly FileDescriptor[]>>>(sockets: T, numberOf: (socket: FileDescriptor) => number): Mapped<T> {
  return Object.fromEntries(Object.entries(sockets).map(([kind, each]) => [kind, each.map(numberOf)])) as Mapped<T>;
}

/** A pod under capture: makes sockets in it and tells where accepted connections were to go. */
export class CapturedPod implements Disposable {
  readonly place: PodPlace;
  readonly cookie: bigint;
  readonly slots: readonly ListenerSlot[];
  readonly listeners: PodListeners;
  readonly handles: PodHandles;
  readonly #namespace: FileDescriptor;
  readonly #originals: BpfMap;
  readonly #dnsFlows: BpfMap;

  constructor(place: PodPlace, namespace: FileDescriptor, cookie: bigint, slots: readonly ListenerSlot[], listeners: PodListeners, maps: { readonly originals: BpfMap; readonly dials: BpfMap; readonly dnsFlows: BpfMap }) {
    this.place = place;
    this.#namespace = namespace;
    this.cookie = cookie;
    this.slots = slots;
    this.listeners = listeners;
    this.#originals = maps.originals;
    this.#dnsFlows = maps.dnsFlows;
    this.handles = { namespace: namespace.number, cookie, originalDestinations: maps.originals.fd, dials: maps.dials.fd };
  }

  /** A TCP socket in the pod's namespace, not connected; the caller closes it. @throws SystemCallError */
  socket(family: 'IPv4' | 'IPv6'): number {
    return tcpSocketIn(this.#namespace.number, family, AGENT_MARK);
  }

  /** Where the application wanted to connect to, by the source of the accepted connection; each is told once. @throws SystemCallError */
  originalDestination(source: SocketAddress): SocketAddress | undefined {
    const value = this.#originals.take(flowKey(this.cookie, source));
    return value === undefined ? undefined : parseEndpoint(value);
  }

  /** A UDP socket in the pod's namespace that is connected to a peer, by a port that the kernel chose; the caller closes it. @throws SystemCallError */
  datagramSocket(peer: SocketAddress): number {
    return datagramSocketTo(this.#namespace.number, addressBytes(peer.ip), peer.port, AGENT_MARK);
  }

  /** The server that a query was for, by the address and port that it came to, and from; as long as its socket asks. @throws SystemCallError */
  askedServer(to: SocketAddress, source: SocketAddress): SocketAddress | undefined {
    const value = this.#dnsFlows.get(dnsFlowKey(addressBytes(to.ip), to.port, addressBytes(source.ip), source.port));
    return value === undefined ? undefined : parseEndpoint(value);
  }

  [Symbol.dispose](): void {
    this.#namespace[Symbol.dispose]();
  }
}
