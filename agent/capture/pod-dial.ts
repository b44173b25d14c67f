/** Dials of data threads from inside a captured pod. Addresses are 16 bytes, as of native/socket-address.ts. */
import { PRESENT, dialKey } from '@landbridge/ebpf/capture-layout.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { encodeMappedAddress, isMappedIpv4, portOf } from '@landbridge/native/socket-address.ts';
import { foreignSocketIn, tcpSocketIn } from '@landbridge/native/sockets.ts';
import { close, connect, EINPROGRESS, lastErrno, socketName } from '@landbridge/native/stream-socket.ts';
import type { PodHandles } from './capture.ts';
import { AGENT_MARK, REPLY_MARK } from './marks.ts';

export interface PodDial {
  /** Not blocking; connected, or writable when it is. The caller closes it. */
  readonly fd: number;
  readonly isConnected: boolean;
  /** In `dials` until {@link settleDial}; none where the kernel needs not know of the dial. */
  readonly key: Buffer | undefined;
}

/** Dials with the pod's own address. @throws SystemCallError */
export function dialFromPod(pod: PodHandles, ip: Uint8Array, port: number): PodDial {
  const fd = tcpSocketIn(pod.namespace, isMappedIpv4(ip) ? 'IPv4' : 'IPv6', AGENT_MARK);
  return begin(fd, ip, port, undefined, pod);
}

/**
 * Dials the application at an address of the pod, with the client's address as source and a port of its own, so that
 * the application sees who calls it. Must be settled. `onBound` is told the port before anything is sent from it.
 * @throws SystemCallError
 */
export function dialAsClient(pod: PodHandles, client: Uint8Array, ip: Uint8Array, port: number, onBound?: (port: number) => void): PodDial {
  // A pod that calls itself has its own address already. One socket has one family.
  if (Buffer.compare(client, ip) === 0 || isMappedIpv4(client) !== isMappedIpv4(ip)) return dialFromPod(pod, ip, port);
  const fd = foreignSocketIn(pod.namespace, client, REPLY_MARK);
  const name = socketName(fd, 'local');
  const ownPort = name === undefined ? 0 : portOf(name);
  const key = dialKey(client, ownPort, ip, port);
  try {
    dialsOf(pod).set(key, PRESENT);
    onBound?.(ownPort);
  } catch (thrown) {
    close(fd);
    throw thrown;
  }
  return begin(fd, ip, port, key, pod);
}

/** Once the dial is connected or has failed: the tuple is as good as any other from then on. */
export function settleDial(pod: PodHandles, { key }: PodDial): void {
  if (key !== undefined) dialsOf(pod).delete(key);
}

function begin(fd: number, ip: Uint8Array, port: number, key: Buffer | undefined, pod: PodHandles): PodDial {
  const isConnected = connect(fd, encodeMappedAddress(ip, port)) === 0;
  const errno = lastErrno();
  if (isConnected || errno === EINPROGRESS) return { fd, isConnected, key };
  if (key !== undefined) dialsOf(pod).delete(key);
  close(fd);
  throw new SystemCallError('connect', errno);
}

const dialsOf = (pod: PodHandles): BpfMap => new BpfMap(pod.dials, 'dials', 1);
