import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { flowKeyOf, parseEndpoint, ENDPOINT_BYTES, type SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { mappedAddress, mappedBytes, portOf } from '@landbridge/native/socket-address.ts';
import { lastErrno, openSocket } from '@landbridge/native/stream-socket.ts';
import { AcceleratedPair, leaveToTcp } from '../capture/accelerated-pair.ts';
import { dialAsClient, dialFromPod, dialWith, type OnBound, type PodDial, settleDial } from '../capture/pod-dial.ts';
import type { Failure } from '../hbone/failure.ts';
import type { PodSpec } from './thread-messages.ts';

/** Addresses in bytes, by their text: the same few come again and again. */
const known = new Map<string, Buffer>();
const MAX_KNOWN = 8192;

function bytesOf(ip: string): Buffer {
  let bytes = known.get(ip);
  if (bytes === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(ip, (bytes = mappedBytes(ip as IpAddress)));
  }
  return bytes;
}

/** Begins to connect from where the pod's own connections begin. */
export function dial(pod: PodSpec, ip: string, port: number): Result<PodDial, Failure> {
  return attempt(() => (pod.handles === undefined ? dialHere(ip, port) : dialFromPod(pod.handles, bytesOf(ip), port)));
}

/** Begins to connect to the pod's application, with the client's address where that can be kept: `onBound` hears of its port then. */
export function dialApplication(pod: PodSpec, client: string, ip: string, port: number, onBound?: OnBound): Result<PodDial, Failure> {
  const { handles } = pod;
  return attempt(() => (handles === undefined ? dialHere(ip, port) : dialAsClient(handles, bytesOf(client), bytesOf(ip), port, onBound)));
}

/** What can join the applications of two pods past the agent; undefined where they are not both accelerated. */
export const acceleratedPair = (client: PodSpec, server: PodSpec, source: SocketAddress, target: SocketAddress): AcceleratedPair | undefined => AcceleratedPair.between(client.handles, server.handles, endpointOf(source), endpointOf(target));

/** A connection of a pod goes on by the agent alone. */
export function neverAccelerate({ handles }: PodSpec, source: SocketAddress): void {
  if (handles?.acceleration !== undefined) leaveToTcp(handles, endpointOf(source));
}

const endpointOf = ({ ip, port }: SocketAddress): { readonly ip: Buffer; readonly port: number } => ({ ip: bytesOf(ip), port });

/** Once the dial has come to its end: see settleDial. */
export function settled(pod: PodSpec, dialed: PodDial): void {
  if (pod.handles !== undefined) settleDial(pod.handles, dialed);
}

function dialHere(ip: string, port: number): PodDial {
  const fd = openSocket(isIpv4(ip as IpAddress) ? 'IPv4' : 'IPv6');
  if (fd < 0) throw new SystemCallError('socket', lastErrno());
  return dialWith(fd, bytesOf(ip), port);
}

function attempt(work: () => PodDial): Result<PodDial, Failure> {
  try {
    return ok(work());
  } catch (thrown) {
    if (!(thrown instanceof SystemCallError)) throw thrown;
    return err({ reason: thrown.errno === 'ECONNREFUSED' ? 'dial-refused' : 'dial-unreachable', text: thrown.message });
  }
}

/** Where a connection that was accepted from the pod was to go; undefined where nobody redirected it. `peer`: its sockaddr. */
export function originalDestination(pod: PodSpec, peer: Buffer): SocketAddress | undefined {
  const { handles } = pod;
  if (handles === undefined) return pod.fixedDestination;
  const originals = new BpfMap(handles.originalDestinations, 'original_destinations', ENDPOINT_BYTES);
  const value = originals.take(flowKeyOf(handles.cookie, mappedAddress(peer), portOf(peer)));
  return value === undefined ? undefined : parseEndpoint(value);
}
