import { createSocket, type Socket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { sendToPeer } from '@landbridge/native/datagram-socket.ts';
import { answersDnsQuery, dnsIdOf, withDnsId } from '@landbridge/wire/dns-exchange.ts';
import { DNS_HEADER_BYTES } from '@landbridge/wire/dns-message.ts';
import type { CapturedPod } from '../capture/capture.ts';

/** As long as resolvers wait (resolv.conf(5)). The kernel keeps a server's place for longer: ANSWER_NS of ebpf/programs/dns.bpf.c. */
export const FORWARD_TIMEOUT_MS = 5000;

export type ForwardOutcome =
  /** With the id of the query. */
  | { readonly kind: 'answered'; readonly message: Uint8Array }
  /** The server is not there, and the kernel said so. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unanswered' };

const UNANSWERED: ForwardOutcome = { kind: 'unanswered' };
const REFUSED: ForwardOutcome = { kind: 'refused' };

/**
 * Sends a query from inside the pod to the server that it was for, and waits for the answer. Each has a socket of its own,
 * which takes datagrams of that server alone, with a port that the kernel chose at random, and an id that is random too
 * (RFC 5452, section 9.2).
 */
export async function forwardDatagram(pod: Pick<CapturedPod, 'datagramSocket'>, query: Uint8Array, server: SocketAddress, outer: AbortSignal): Promise<ForwardOutcome> {
  if (query.length < DNS_HEADER_BYTES || outer.aborted) return UNANSWERED;
  let fd: number;
  try {
    fd = pod.datagramSocket(server);
  } catch {
    // No route to it, or no descriptor left.
    return REFUSED;
  }
  const asked = withDnsId(query, randomInt(0x1_0000));
  const socket = createSocket(isIPv4(server.ip) ? 'udp4' : 'udp6');
  const ended = Promise.withResolvers<ForwardOutcome>();
  // Longer ones are cut off here, and the resolver hears of it by nothing: so it is with a datagram that got lost.
  const timer = setTimeout(() => ended.resolve(UNANSWERED), FORWARD_TIMEOUT_MS);
  const onAbort = (): void => ended.resolve(UNANSWERED);
  outer.addEventListener('abort', onAbort, { once: true });
  socket.on('message', (message) => {
    if (answersDnsQuery(message, asked)) ended.resolve({ kind: 'answered', message: withDnsId(message, dnsIdOf(query)) });
  });
  socket.on('error', () => ended.resolve(REFUSED));
  try {
    socket.bind({ fd });
    if (!sendToPeer(fd, asked)) ended.resolve(REFUSED);
    return await ended.promise;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', onAbort);
    close(socket);
  }
}

function close(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It closed itself when it could not be bound.
  }
}
