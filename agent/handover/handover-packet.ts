/**
 * What two agents of one node say to each other while one gives the other its connections: one packet each, little-endian.
 * A reader takes what it knows of a packet and leaves what follows, so that later versions may say more.
 */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { HANDOVER_FORMATS, MAX_BATCH_SOCKETS, MAX_PACKET_SOCKETS } from './handed-batch.ts';

export type HandoverPacket =
  /** First, from both: the formats of batches that the sender reads; of who gives, the first one is what it writes. And how many sockets of one batch it takes, whether it rehearses, and whether it knows of sockets that are reset when they are closed (SO_LINGER). */
  | { readonly kind: 'hello'; readonly formats: readonly number[]; readonly sockets: number; readonly rehearses: boolean; readonly resets: boolean }
  /** With as many descriptors: sockets of the next batch, which one packet has no room for. */
  | { readonly kind: 'sockets'; readonly count: number }
  /** With descriptors: sealed memory of `bytes` bytes, then those of the `sockets` sockets that have not come before. `frozenAtMs`: since when its connections stand still, of CLOCK_MONOTONIC; undefined where that is not said. */
  | { readonly kind: 'batch'; readonly number: number; readonly connections: number; readonly bytes: number; readonly sockets: number; readonly frozenAtMs: number | undefined }
  /** As a batch, of connections that go on where they are: to be read and let go of. */
  | { readonly kind: 'rehearsal'; readonly connections: number; readonly bytes: number; readonly sockets: number }
  /** Nothing of a rehearsal is left. */
  | { readonly kind: 'rehearsed' }
  /** The batch is the successor's: from the moment on at which this packet is in the queue of who gives. */
  | { readonly kind: 'take'; readonly number: number }
  /** The successor can not read the batch and has let go of it. */
  | { readonly kind: 'refuse'; readonly number: number; readonly reason: string }
  /** The batch stays where it was; nothing follows. */
  | { readonly kind: 'abort'; readonly number: number }
  /** Nothing is left to give. */
  | { readonly kind: 'done' }
  | { readonly kind: 'bye' };

type Kind = HandoverPacket['kind'];

/** What this version says first. */
export const HELLO: Extract<HandoverPacket, { readonly kind: 'hello' }> = { kind: 'hello', formats: HANDOVER_FORMATS, sockets: MAX_BATCH_SOCKETS, rehearses: true, resets: true };

const MAGIC = 0x3148424c; // "LBH1"
const KINDS: readonly Kind[] = ['hello', 'batch', 'take', 'refuse', 'abort', 'done', 'bye', 'sockets', 'rehearsal', 'rehearsed'];
const HEADER_BYTES = 5;
const NUMBER_BYTES = 4;
const BATCH_BYTES = 4 * NUMBER_BYTES;
const TIME_BYTES = 8;
const REHEARSAL_BYTES = 3 * NUMBER_BYTES;
const MAX_FORMATS = 16;
const MAX_REASON_BYTES = 200;
/** Of any packet, with room for what later versions say. */
export const MAX_HANDOVER_PACKET_BYTES = 1024;

export function encodeHandoverPacket(packet: HandoverPacket): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(KINDS.indexOf(packet.kind), 4);
  return Buffer.concat([header, ...bodyOf(packet)]);
}

function bodyOf(packet: HandoverPacket): readonly Buffer[] {
  switch (packet.kind) {
    case 'hello':
      return [Buffer.from([packet.formats.length]), numbers([...packet.formats, packet.sockets, Number(packet.rehearses), Number(packet.resets)])];
    case 'sockets':
      return [numbers([packet.count])];
    case 'batch':
      return [numbers([packet.number, packet.connections, packet.bytes, packet.sockets]), packet.frozenAtMs === undefined ? Buffer.alloc(0) : time(packet.frozenAtMs)];
    case 'rehearsal':
      return [numbers([packet.connections, packet.bytes, packet.sockets])];
    case 'take':
    case 'abort':
      return [numbers([packet.number])];
    case 'refuse': {
      const reason = Buffer.from(packet.reason).subarray(0, MAX_REASON_BYTES);
      return [numbers([packet.number]), Buffer.from([reason.length]), reason];
    }
    case 'rehearsed':
    case 'done':
    case 'bye':
      return [];
    default:
      return packet satisfies never;
  }
}

function numbers(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * NUMBER_BYTES);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, i * NUMBER_BYTES);
  return bytes;
}

function time(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(TIME_BYTES);
  bytes.writeDoubleLE(milliseconds);
  return bytes;
}

/** Undefined where there is none, or what is no time. */
function timeAt(bytes: Buffer, at: number): number | undefined {
  const milliseconds = bytes.length < at + TIME_BYTES ? Number.NaN : bytes.readDoubleLE(at);
  return milliseconds >= 0 && Number.isFinite(milliseconds) ? milliseconds : undefined;
}

export function parseHandoverPacket(bytes: Buffer): Result<HandoverPacket> {
  if (bytes.length > MAX_HANDOVER_PACKET_BYTES) return err('a packet that is too long');
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return err('a packet that is none of a hand-over');
  const kind = KINDS[bytes.readUInt8(4)];
  const body = bytes.subarray(HEADER_BYTES);
  const number = (index: number): number => body.readUInt32LE(index * NUMBER_BYTES);
  const tooShort = err(`a packet ${kind} that is too short`);
  switch (kind) {
    case 'hello': {
      const count = body[0] ?? 0;
      if (count === 0 || count > MAX_FORMATS) return err(`a greeting with ${count} formats`);
      if (body.length < 1 + count * NUMBER_BYTES) return tooShort;
      const said = (index: number): number | undefined => (body.length < 1 + (index + 1) * NUMBER_BYTES ? undefined : body.readUInt32LE(1 + index * NUMBER_BYTES));
      // Earlier versions say less.
      return ok({ kind, formats: Array.from({ length: count }, (_, i) => said(i) as number), sockets: said(count) ?? MAX_PACKET_SOCKETS, rehearses: said(count + 1) === 1, resets: said(count + 2) === 1 });
    }
    case 'sockets':
      return body.length < NUMBER_BYTES ? tooShort : ok({ kind, count: number(0) });
    case 'batch':
      return body.length < BATCH_BYTES ? tooShort : ok({ kind, number: number(0), connections: number(1), bytes: number(2), sockets: number(3), frozenAtMs: timeAt(body, BATCH_BYTES) });
    case 'rehearsal':
      return body.length < REHEARSAL_BYTES ? tooShort : ok({ kind, connections: number(0), bytes: number(1), sockets: number(2) });
    case 'take':
    case 'abort':
      return body.length < NUMBER_BYTES ? tooShort : ok({ kind, number: number(0) });
    case 'refuse': {
      const length = body[NUMBER_BYTES];
      if (length === undefined || length > MAX_REASON_BYTES || body.length < NUMBER_BYTES + 1 + length) return tooShort;
      return ok({ kind, number: number(0), reason: body.toString('utf8', NUMBER_BYTES + 1, NUMBER_BYTES + 1 + length) });
    }
    case 'rehearsed':
    case 'done':
    case 'bye':
      return ok({ kind });
    case undefined:
      return err('a packet of a kind that is not known');
    default:
      return kind satisfies never;
  }
}
