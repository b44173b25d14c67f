/** What both sides do with the socket between them: one packet at a time, and nothing that blocks. */
import { SystemCallError } from '@landbridge/native/errno.ts';
import type { FileDescriptor } from '@landbridge/native/libc.ts';
import { type Received, sendOn, type SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { MAX_BATCH_BYTES, MAX_BATCH_SOCKETS, MAX_PACKET_SOCKETS } from './handed-batch.ts';
import { encodeHandoverPacket, type HandoverPacket, parseHandoverPacket } from './handover-packet.ts';

/** What a socket of a closed process says to who sends. */
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET', 'ENOTCONN', 'ECONNREFUSED']);
/** The state is the first descriptor of a batch. */
const OWN_DESCRIPTORS = 1;
/** Of one packet. */
export const MAX_CHANNEL_DESCRIPTORS = OWN_DESCRIPTORS + MAX_PACKET_SOCKETS;

export type Heard =
  | { readonly kind: 'packet'; readonly packet: HandoverPacket; readonly descriptors: readonly FileDescriptor[] }
  | { readonly kind: 'nonsense'; readonly reason: string }
  | { readonly kind: 'deadline' }
  | { readonly kind: 'gone' };

export type Sent = { readonly kind: 'passed' } | { readonly kind: 'gone' } | { readonly kind: 'failed'; readonly reason: string };

/** Either all of a packet is in the other one's queue, or nothing. `channel`: a socket of this process, from any of its threads. */
export function sendPacket(channel: number, packet: HandoverPacket, descriptors: readonly number[] = []): Sent {
  try {
    sendOn(channel, encodeHandoverPacket(packet), descriptors);
    return { kind: 'passed' };
  } catch (thrown) {
    if (!(thrown instanceof SystemCallError)) throw thrown;
    return GONE.has(thrown.errno) ? { kind: 'gone' } : { kind: 'failed', reason: thrown.message };
  }
}

/** The next packet; `deadline` once the signal aborts. Descriptors of a batch are the caller's to close. @throws SystemCallError */
export async function hear(socket: SeqpacketSocket, signal: AbortSignal): Promise<Heard> {
  for (;;) {
    const received = socket.receive();
    if (received.kind === 'packet') return understood(received);
    if (received.kind === 'ended') return { kind: 'gone' };
    if (signal.aborted) return { kind: 'deadline' };
    await socket.readable(signal);
  }
}

/** Lets nothing further in, and returns what was there. @throws SystemCallError */
export function closeInbox(socket: SeqpacketSocket): readonly HandoverPacket[] {
  socket.refuseFurther();
  const packets: HandoverPacket[] = [];
  for (let received = socket.receive(); received.kind === 'packet'; received = socket.receive()) {
    const heard = understood(received);
    if (heard.kind !== 'packet') continue;
    for (const descriptor of heard.descriptors) descriptor[Symbol.dispose]();
    packets.push(heard.packet);
  }
  return packets;
}

function understood({ bytes, descriptors, isWhole }: Extract<Received, { readonly kind: 'packet' }>): Heard {
  const parsed = parseHandoverPacket(bytes);
  const reason = !parsed.ok ? parsed.error : !isWhole ? 'a packet of which the kernel kept descriptors back: this process may have too few left (RLIMIT_NOFILE)' : unfit(parsed.value, descriptors.length);
  if (parsed.ok && reason === undefined) return { kind: 'packet', packet: parsed.value, descriptors };
  for (const descriptor of descriptors) descriptor[Symbol.dispose]();
  return { kind: 'nonsense', reason: reason ?? '' };
}

function unfit(packet: HandoverPacket, descriptors: number): string | undefined {
  if (packet.kind === 'sockets') return descriptors === packet.count ? undefined : `${packet.count} sockets with ${descriptors} descriptors`;
  if (packet.kind !== 'batch' && packet.kind !== 'rehearsal') return descriptors === 0 ? undefined : `a packet ${packet.kind} with ${descriptors} descriptors`;
  if (packet.sockets > MAX_BATCH_SOCKETS || packet.bytes > MAX_BATCH_BYTES) return `a ${packet.kind} of ${packet.sockets} sockets and ${packet.bytes} bytes`;
  return descriptors === OWN_DESCRIPTORS + lastOf(packet.sockets) ? undefined : `a ${packet.kind} of ${packet.sockets} sockets with ${descriptors} descriptors`;
}

/** Of so many sockets, how many go with the batch: whole packets of them have gone before. */
export const lastOf = (sockets: number): number => (sockets <= MAX_PACKET_SOCKETS ? sockets : ((sockets - 1) % MAX_PACKET_SOCKETS) + 1);
