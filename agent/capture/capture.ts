import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CAPTURE_ABI, CAPTURE_OBJECT } from '@landbridge/ebpf/capture-object.ts';
import { ENDPOINT_BYTES, flowKey, HBONE_PORT, listenerKey, NETNS_KEY_BYTES, netnsKey, OUTBOUND_PORT, parseEndpoint, PLAINTEXT_PORT, POD_BYTES, podValue, type SocketAddress, socketValue } from '@landbridge/ebpf/capture-layout.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { AttachType, BpfLink, BpfObject, type BpfMap, type BpfProgram } from '@landbridge/native/libbpf.ts';
import { type FileDescriptor, openForReading } from '@landbridge/native/libc.ts';
import { openNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { listenOnLoopback, networkNamespaceCookie, tcpSocketIn } from '@landbridge/native/sockets.ts';

/** Connections that wait for the agent to accept them; more are refused by the kernel. */
const BACKLOG = 1024;

const MAPS = ['agents', 'pods', 'original_destinations', 'listeners', 'original_of_socket'] as const;
const CGROUP_PROGRAMS = [
  ['lb_connect4', AttachType.CGROUP_INET4_CONNECT],
  ['lb_connect6', AttachType.CGROUP_INET6_CONNECT],
  ['lb_getpeername4', AttachType.CGROUP_INET4_GETPEERNAME],
  ['lb_getpeername6', AttachType.CGROUP_INET6_GETPEERNAME],
  ['lb_sockops', AttachType.CGROUP_SOCK_OPS],
] as const;

export interface PodPlace {
  readonly uid: string;
  /** IPv4. */
  readonly address: string;
  /** A file of its network namespace, as /proc/PID/ns/net. */
  readonly namespacePath: string;
}

/** Listening sockets inside the pod, to be given to servers, which then close them. */
export interface PodListeners {
  readonly outbound: number;
  readonly plaintext: number;
  readonly hbone: number;
}

/**
 * The kernel's half of capture. Maps and links are pinned: when the agent dies, connections of captured pods are
 * refused, and the next agent finds what is attached and replaces the programs in place.
 */
export class Capture implements Disposable {
  readonly #object: BpfObject;
  readonly #pins: string;
  readonly #inbound: BpfProgram;
  readonly #pods: BpfMap;
  readonly #listeners: BpfMap;
  readonly #originals: BpfMap;

  /** @throws LandbridgeError `bpf-load`, SystemCallError */
  constructor(options: { readonly cgroupRoot: string; readonly bpfRoot: string }) {
    this.#pins = path.join(options.bpfRoot, 'landbridge', String(CAPTURE_ABI));
    for (const directory of ['maps', 'links', 'netns']) mkdirSync(path.join(this.#pins, directory), { recursive: true, mode: 0o700 });
    this.#object = BpfObject.open(CAPTURE_OBJECT);
    for (const name of MAPS) this.#object.pinMap(name, path.join(this.#pins, 'maps', name));
    this.#object.load();
    this.#pods = this.#object.map('pods', POD_BYTES);
    this.#listeners = this.#object.map('listeners', 8);
    this.#originals = this.#object.map('original_destinations', ENDPOINT_BYTES);
    this.#inbound = this.#object.program('lb_inbound');
    const agents = this.#object.map('agents', 1);
    // One agent for each node: groups of earlier ones could otherwise be taken over by a pod.
    for (const key of agents.keys(NETNS_KEY_BYTES)) agents.delete(key);
    this.#object.program('lb_register_agent').runOnce();
    using cgroup = openForReading(options.cgroupRoot);
    for (const [name, type] of CGROUP_PROGRAMS) this.#attach(path.join(this.#pins, 'links', name), this.#object.program(name), cgroup, type);
  }

  /** Begins to capture a pod. Its connections wait in the listeners' backlogs until somebody accepts. @throws SystemCallError */
  capture(pod: PodPlace): CapturedPod {
    const namespace = openNetworkNamespace(pod.namespacePath);
    const open: FileDescriptor[] = [namespace];
    try {
      const listen = (port: number): FileDescriptor => {
        const listener = listenOnLoopback(namespace, port, BACKLOG);
        open.push(listener);
        return listener;
      };
      const [outbound, plaintext, hbone] = [listen(OUTBOUND_PORT), listen(PLAINTEXT_PORT), listen(HBONE_PORT)];
      const cookie = networkNamespaceCookie(namespace);
      this.#listeners.set(listenerKey(pod.address, 'plaintext'), socketValue(plaintext.number));
      this.#listeners.set(listenerKey(pod.address, 'hbone'), socketValue(hbone.number));
      this.#attach(this.#netnsPin(pod.uid), this.#inbound, namespace, AttachType.SK_LOOKUP);
      this.#pods.set(netnsKey(cookie), podValue(pod.address));
      return new CapturedPod(pod, namespace, cookie, { outbound: outbound.release(), plaintext: plaintext.release(), hbone: hbone.release() }, this.#originals);
    } catch (thrown) {
      for (const descriptor of open) descriptor[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Ends the capture of a pod that may live on: new connections go their own way. Its listeners are their servers' to close. */
  release(pod: CapturedPod): void {
    this.#pods.delete(netnsKey(pod.cookie));
    rmSync(this.#netnsPin(pod.place.uid), { force: true });
    for (const kind of ['plaintext', 'hbone'] as const) this.#listeners.delete(listenerKey(pod.place.address, kind));
    pod[Symbol.dispose]();
  }

  /** Forgets what earlier agents left of pods that are not captured any more. */
  forgetAllBut(pods: readonly CapturedPod[]): void {
    const cookies = new Set(pods.map((pod) => pod.cookie));
    const uids = new Set(pods.map((pod) => pod.place.uid));
    for (const key of this.#pods.keys(NETNS_KEY_BYTES)) if (!cookies.has(key.readBigUInt64LE())) this.#pods.delete(key);
    for (const uid of readdirSync(path.join(this.#pins, 'netns'))) if (!uids.has(uid)) rmSync(this.#netnsPin(uid), { force: true });
  }

  /** Detaches everything and removes all pins: for uninstalling, when no pod is captured any more. */
  remove(): void {
    rmSync(path.dirname(this.#pins), { recursive: true, force: true });
  }

  #netnsPin(uid: string): string {
    return path.join(this.#pins, 'netns', uid);
  }

  #attach(pin: string, program: BpfProgram, target: FileDescriptor, type: AttachType): void {
    using pinned = BpfLink.pinned(pin);
    if (pinned !== undefined) {
      try {
        pinned.update(program);
        return;
      } catch (thrown) {
        // The cgroup or namespace of the old link is gone: attach anew.
        if (!(thrown instanceof SystemCallError) || thrown.errno !== 'ENOLINK') throw thrown;
        rmSync(pin, { force: true });
      }
    }
    using link = program.attach(target, type);
    link.pin(pin);
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

/** A pod under capture: makes sockets in it and tells where accepted connections were to go. */
export class CapturedPod implements Disposable {
  readonly place: PodPlace;
  readonly cookie: bigint;
  readonly listeners: PodListeners;
  readonly #namespace: FileDescriptor;
  readonly #originals: BpfMap;

  constructor(place: PodPlace, namespace: FileDescriptor, cookie: bigint, listeners: PodListeners, originals: BpfMap) {
    this.place = place;
    this.#namespace = namespace;
    this.cookie = cookie;
    this.listeners = listeners;
    this.#originals = originals;
  }

  /** A TCP socket in the pod's namespace, not connected; the caller closes it. @throws SystemCallError */
  socket(family: 'IPv4' | 'IPv6'): number {
    return tcpSocketIn(this.#namespace, family).release();
  }

  /** Where the application wanted to connect to, by the source of the accepted connection; each is told once. */
  originalDestination(source: SocketAddress): SocketAddress | undefined {
    const key = flowKey(this.cookie, source);
    const value = this.#originals.get(key);
    if (value === undefined) return undefined;
    this.#originals.delete(key);
    return parseEndpoint(value);
  }

  [Symbol.dispose](): void {
    this.#namespace[Symbol.dispose]();
  }
}
