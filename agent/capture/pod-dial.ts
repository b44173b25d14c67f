/** Dials of data threads from inside a captured pod. Addresses are 16 bytes, as of native/socket-address.ts. */
import { PRESENT, dialKey } from '@landbridge/ebpf/capture-layout.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { errnoOf, SystemCallError } from '@landbridge/native/errno.ts';
import { type LocalPorts, localPortsIn, pickLocalPort } from '@landbridge/native/local-ports.ts';
import { encodeMappedAddress, isMappedIpv4, portOf } from '@landbridge/native/socket-address.ts';
import { foreignSocketIn, tcpSocketIn } from '@landbridge/native/sockets.ts';
import { close, connect, EINPROGRESS, lastErrno, socketName } from '@landbridge/native/stream-socket.ts';
import type { PodHandles } from './capture.ts';
import { AGENT_MARK, REPLY_MARK } from './marks.ts';

const EADDRNOTAVAIL = errnoOf('EADDRNOTAVAIL');
/** Ports that are tried of each half before the kernel is left to find one, which takes it long where there are few. */
const PICKS = 8;

export interface PodDial {
  /** Not blocking; connected, or writable when it is. The caller closes it. */
  readonly fd: number;
  readonly isConnected: boolean;
  /** In `dials` until {@link settleDial}; none where the kernel needs not know of the dial. */
  readonly key: Buffer | undefined;
}

/** Hears of the port of a dial before anything is sent from it; false where it can not be that one. */
export type OnBound = (port: number) => boolean;

/** Dials with the pod's own address. @throws SystemCallError */
export function dialFromPod(pod: PodHandles, ip: Uint8Array, port: number): PodDial {
  return dialWith(tcpSocketIn(pod.namespace, isMappedIpv4(ip) ? 'IPv4' : 'IPv6', AGENT_MARK), ip, port);
}

/** Dials with a socket, which is closed where that fails. @throws SystemCallError */
export function dialWith(fd: number, ip: Uint8Array, port: number): PodDial {
  const begun = begin(fd, ip, port);
  if (typeof begun === 'boolean') return { fd, isConnected: begun, key: undefined };
  close(fd);
  throw new SystemCallError('connect', begun);
}

/**
 * Dials the application at an address of the pod, with the client's address as source and a port of its own, so that
 * the application sees who calls it. Must be settled.
 *
 * The port is picked here: one that is asked for is free again as soon as its connection has ended. Of those that the
 * kernel gives to bind(2) each is gone for the minute of TIME_WAIT, whomever it was connected to, and looking for one
 * takes longer the fewer are left.
 * @throws SystemCallError
 */
export function dialAsClient(pod: PodHandles, client: Uint8Array, ip: Uint8Array, port: number, onBound: OnBound = () => true): PodDial {
  // A pod that calls itself has its own address already. One socket has one family.
  if (Buffer.compare(client, ip) === 0 || isMappedIpv4(client) !== isMappedIpv4(ip)) return dialFromPod(pod, ip, port);
  for (const ownPort of candidatePorts(pod)) {
    const dial = dialFrom(pod, ownPort, client, ip, port, onBound);
    if (dial !== undefined) return dial;
  }
  throw new SystemCallError('connect', EADDRNOTAVAIL);
}

/** Ports to be tried one after the other; the kernel's choice, 0, comes last. */
function* candidatePorts(pod: PodHandles): Generator<number, void> {
  const ports = portsOf(pod);
  for (let i = 0; ports !== undefined && i < 2 * PICKS; i++) {
    const picked = pickLocalPort(ports, i < PICKS ? 'bind' : 'connect', Math.random());
    if (picked !== undefined) yield picked;
  }
  yield 0;
}

/** From a port of the client's address, 0 for the kernel's choice; undefined where it is not free for this dial. */
function dialFrom(pod: PodHandles, ownPort: number, client: Uint8Array, ip: Uint8Array, port: number, onBound: OnBound): PodDial | undefined {
  const fd = boundSocket(pod, client, ownPort);
  if (fd === undefined) return undefined;
  const dials = dialsOf(pod);
  const boundPort = ownPort !== 0 ? ownPort : portOf(socketName(fd, 'local') ?? Buffer.alloc(0));
  const key = dialKey(client, boundPort, ip, port);
  let isClaimed = false;
  let begun: boolean | number = EADDRNOTAVAIL;
  try {
    // That of another one is of a dial under way, by another thread or another agent of the node.
    isClaimed = dials.add(key, PRESENT);
    if (isClaimed && onBound(boundPort)) begun = begin(fd, ip, port);
  } finally {
    if (typeof begun !== 'boolean') {
      if (isClaimed) dials.delete(key);
      close(fd);
    }
  }
  if (typeof begun === 'boolean') return { fd, isConnected: begun, key };
  if (begun === EADDRNOTAVAIL) return undefined;
  throw new SystemCallError('connect', begun);
}

function boundSocket(pod: PodHandles, client: Uint8Array, ownPort: number): number | undefined {
  try {
    return foreignSocketIn(pod.namespace, client, REPLY_MARK, ownPort);
  } catch (thrown) {
    // Somebody in the pod listens there, or has it for all addresses.
    if (ownPort !== 0 && thrown instanceof SystemCallError && thrown.errno === 'EADDRINUSE') return undefined;
    throw thrown;
  }
}

/** Of a pod as this thread was told of it: what its namespace says meanwhile counts from the next time on. */
const localPorts = new WeakMap<PodHandles, LocalPorts | 'unknown'>();

function portsOf(pod: PodHandles): LocalPorts | undefined {
  let ports = localPorts.get(pod);
  if (ports === undefined) localPorts.set(pod, (ports = localPortsIn(pod.namespace) ?? 'unknown'));
  return ports === 'unknown' ? undefined : ports;
}

/** Once the dial is connected or has failed: the tuple is as good as any other from then on. */
export function settleDial(pod: PodHandles, { key }: PodDial): void {
  if (key !== undefined) dialsOf(pod).delete(key);
}

/** Whether the connection is there already, or the errno of connect(2). */
function begin(fd: number, ip: Uint8Array, port: number): boolean | number {
  if (connect(fd, encodeMappedAddress(ip, port)) === 0) return true;
  const errno = lastErrno();
  return errno === EINPROGRESS ? false : errno;
}

const dialsOf = (pod: PodHandles): BpfMap => new BpfMap(pod.dials, 'dials', 1);
