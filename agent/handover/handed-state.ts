/** The kinds of what moves, and how each is written. A field's tag keeps its meaning for ever; see the format's rules in record-layout.ts. */
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { ServiceLabels, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { DEFAULT_TABLE_BYTES, FIELD_OVERHEAD_BYTES, type HpackDecoderState } from '@landbridge/wire/hpack.ts';
import { FRAME_HEADER_BYTES, MAX_WINDOW_BYTES } from '@landbridge/wire/http2-frames.ts';
import type { FrameReaderState, FrameUnderWay } from '../hbone/http2-frame-reader.ts';
import { EAGER_BYTES, MAX_CONTINUATIONS, MAX_FRAME_BYTES, MAX_HEADER_LIST_BYTES } from '../hbone/http2-limits.ts';
import type { Http2SessionState, Http2StreamState } from '../hbone/http2-state.ts';
import type { PlainSocketState } from '../hbone/plain-socket.ts';
import type { RelayState } from '../hbone/relay-pair.ts';
import type { SocketPairState } from '../hbone/socket-pair.ts';
import type { TlsChannelState } from '../hbone/tls-channel.ts';
import type { TlsOverStreamState } from '../hbone/tls-over-stream.ts';
import type { TlsRecordsState } from '../hbone/tls-records.ts';
import type { TrafficKeysState } from '../hbone/traffic-keys.ts';
import type { Carriage } from '../proxy/thread-messages.ts';
import { MAX_BATCH_SOCKETS } from './handed-batch.ts';
import { bytes, DescriptorList, descriptor, duration, type Field, flag, integer, list, oneOf, optional, parts, ReadContext, RecordLayout, text } from './record-layout.ts';
import { parseBatch } from './state-reader.ts';
import { type BatchParts, MUST_UNDERSTAND, StateWriter } from './state-writer.ts';

/** A connection that arrived at a pod without a tunnel. */
export interface PlaintextState {
  readonly podUid: string;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly ageMs: number;
  readonly pair: SocketPairState;
}

/** A connection of a captured pod, whatever carries it. */
export interface OutboundState {
  readonly podUid: string;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly ageMs: number;
  readonly carriage: Carriage;
  readonly destinationLabels: WorkloadLabels;
  readonly service: ServiceLabels | undefined;
  /** Where it went, of what discovery told. */
  readonly candidate: { readonly id: string; readonly address: string; readonly port: number; readonly authority: string } | undefined;
  /** Whom a handshake has proven at the other end. */
  readonly peer: SpiffeId | undefined;
  readonly traceparent: string;
}

export interface PlainOutboundState {
  readonly connection: OutboundState;
  readonly pair: SocketPairState;
}

/** A connection between two pods of the node. */
export interface LocalState {
  readonly connection: OutboundState;
  readonly serverUid: string;
  /** As the server's application sees it. */
  readonly source: SocketAddress;
  readonly target: SocketAddress;
  readonly service: ServiceLabels | undefined;
  readonly ageMs: number;
  readonly pair: SocketPairState;
}

/** A connection of a tunnel that another node's agent made, besides its stream. */
export interface InboundStreamState {
  readonly ageMs: number;
  readonly authority: string;
  readonly traceId: string | undefined;
  /** The application. */
  readonly destination: SocketAddress;
  /** Who asked, as the certificate proved it and the peer said it. */
  readonly sourceLabels: WorkloadLabels;
  readonly service: ServiceLabels | undefined;
}

/** What a stream belongs to. */
export type HandedListener = { readonly kind: 'inbound'; readonly state: InboundStreamState } | { readonly kind: 'outbound'; readonly state: OutboundState };

/** A stream that leads to a socket of this node. */
export interface HandedPlainStream {
  readonly kind: 'plain';
  readonly stream: Http2StreamState;
  readonly near: PlainSocketState;
  readonly listener: HandedListener;
}

/** A session of its own inside a stream, through a gateway to a workload, with the one connection that it carries. */
export interface NestedState {
  /** What the handshake inside proved, in DER, and when. */
  readonly chain: readonly Buffer[];
  readonly provenAtMs: number;
  readonly channel: TlsOverStreamState;
  readonly session: Http2SessionState;
  readonly stream: Http2StreamState;
  readonly near: PlainSocketState;
  readonly outbound: OutboundState;
}

export interface HandedNestedStream {
  readonly kind: 'nested';
  readonly stream: Http2StreamState;
  readonly nested: NestedState;
}

export type HandedStream = HandedPlainStream | HandedNestedStream;

/** A TLS connection with the HTTP/2 session on it and all of its streams. */
export interface TunnelState {
  readonly channel: TlsChannelState;
  readonly session: Http2SessionState;
  readonly streams: readonly HandedStream[];
}

export interface InboundTunnelState {
  readonly podUid: string;
  readonly remote: SocketAddress;
  readonly localIp: string;
  /** What the handshake proved, in DER, and when: judged again by the roots of the moment. */
  readonly chain: readonly Buffer[];
  readonly provenAtMs: number;
  readonly tunnel: TunnelState;
}

export interface OutboundTunnelState {
  readonly podUid: string;
  /** Dialled. */
  readonly address: SocketAddress;
  readonly peer: SpiffeId;
  readonly chain: readonly Buffer[];
  readonly provenAtMs: number;
  readonly tunnel: TunnelState;
}

export type HandedConnection =
  | { readonly kind: 'inbound-tunnel'; readonly state: InboundTunnelState }
  | { readonly kind: 'local'; readonly state: LocalState }
  | { readonly kind: 'outbound-tunnel'; readonly state: OutboundTunnelState }
  | { readonly kind: 'plaintext'; readonly state: PlaintextState }
  | { readonly kind: 'outbound'; readonly state: PlainOutboundState };

/** Names, addresses and labels; peers say some of them, in headers of at most this size. */
const MAX_TEXT = 64 * 1024;
/** Of one socket: what the other side had read when this one took no more. */
const MAX_UNSENT = 8 * 1024 * 1024;
/** More than a thread reads, seals or stages at once. */
const MAX_READ = 512 * 1024;
const MAX_ID = 2 ** 31 - 1;
/** Of a peer's certificates; a handshake is shorter, all in all. */
const MAX_CERTIFICATE = 128 * 1024;
const MAX_CHAIN = 8;
const COUNT = [0, Number.MAX_SAFE_INTEGER] as const;

const name = (tag: number): Field<string> => text(tag, MAX_TEXT);

const ADDRESS = new RecordLayout<SocketAddress>({ ip: text(1, 64), port: integer(2, 0, 0xffff) });

const WORKLOAD = new RecordLayout<WorkloadLabels>({ workload: name(1), namespace: name(2), canonicalName: name(3), canonicalRevision: name(4), cluster: name(5), region: name(6), zone: name(7), principal: name(8) });

const SERVICE = new RecordLayout<ServiceLabels>({ hostname: name(1), namespace: name(2), name: name(3) });

const SOCKET = new RecordLayout<PlainSocketState>({ fd: descriptor(1), unsent: parts(2, MAX_UNSENT), isEnding: flag(3), isEnded: flag(4), hasPeerEnded: flag(5) });

const RELAY = new RecordLayout<RelayState>({ clientEnded: flag(1), serverEnded: flag(2), sentBytes: integer(3, ...COUNT), receivedBytes: integer(4, ...COUNT) });

const PAIR = new RecordLayout<SocketPairState>({ client: SOCKET.as(1), server: SOCKET.as(2), relay: RELAY.as(3) });

const PLAINTEXT = new RecordLayout<PlaintextState>({ podUid: name(1), source: ADDRESS.as(2), destination: ADDRESS.as(3), ageMs: duration(4), pair: PAIR.as(5) });

const CANDIDATE = new RecordLayout<NonNullable<OutboundState['candidate']>>({ id: name(1), address: text(2, 64), port: integer(3, 0, 0xffff), authority: name(4) });

/** An identity that this agent's predecessor has verified: it was parsed there. */
const identity = (tag: number): Field<SpiffeId> => name(tag) as Field<string> as Field<SpiffeId>;

const OUTBOUND = new RecordLayout<OutboundState>({
  podUid: name(1),
  source: ADDRESS.as(2),
  destination: ADDRESS.as(3),
  ageMs: duration(4),
  carriage: oneOf(5, ['hbone', 'double-hbone', 'local', 'plain']),
  destinationLabels: WORKLOAD.as(6),
  service: optional(SERVICE.as(7)),
  candidate: optional(CANDIDATE.as(8)),
  peer: optional(identity(9)),
  traceparent: text(10, 64),
});

const PLAIN_OUTBOUND = new RecordLayout<PlainOutboundState>({ connection: OUTBOUND.as(1), pair: PAIR.as(2) });

const LOCAL = new RecordLayout<LocalState>({ connection: OUTBOUND.as(1), serverUid: name(2), source: ADDRESS.as(3), target: ADDRESS.as(4), service: optional(SERVICE.as(5)), ageMs: duration(6), pair: PAIR.as(7) });

const KEYS = new RecordLayout<TrafficKeysState>({ secret: bytes(1, 64), records: integer(2, ...COUNT) });

const RECORDS = new RecordLayout<TlsRecordsState>({ role: oneOf(1, ['client', 'server']), suite: oneOf(2, ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']), tx: KEYS.as(3), rx: KEYS.as(4), partial: bytes(5, MAX_READ), handshake: bytes(6, MAX_READ), owesKeyUpdate: flag(7) });

const CHANNEL = new RecordLayout<TlsChannelState>({ fd: descriptor(1), records: RECORDS.as(2), isPartialWhole: flag(3), unsent: bytes(4, MAX_READ) });

const FRAME = new RecordLayout<FrameUnderWay>({ length: integer(1, 0, MAX_FRAME_BYTES), type: integer(2, 0, 255), flags: integer(3, 0, 255), streamId: integer(4, 0, MAX_ID), left: integer(5, 0, MAX_FRAME_BYTES), padding: integer(6, -1, 255), collected: bytes(7, MAX_HEADER_LIST_BYTES) });

const READER = new RecordLayout<FrameReaderState>({ header: bytes(1, FRAME_HEADER_BYTES), frame: optional(FRAME.as(2)) });

const BLOCK = new RecordLayout<NonNullable<Http2SessionState['block']>>({ streamId: integer(1, 0, MAX_ID), endStream: flag(2), fragments: list(bytes(3, MAX_HEADER_LIST_BYTES), MAX_CONTINUATIONS) });

const HEADER_FIELD = new RecordLayout<{ readonly name: Buffer; readonly value: Buffer }>({ name: bytes(1, DEFAULT_TABLE_BYTES), value: bytes(2, DEFAULT_TABLE_BYTES) });

/** Header fields are bytes, of which the decoder makes texts of latin1. */
const HEADERS = ((field) => ({
  tag: field.tag,
  write: (values, writer, descriptors) => field.write(values.map(([header, value]) => ({ name: Buffer.from(header, 'latin1'), value: Buffer.from(value, 'latin1') })), writer, descriptors),
  read: (spans, context) => field.read(spans, context).map(({ name: header, value }) => [header.toString('latin1'), value.toString('latin1')] as const),
}))(list(HEADER_FIELD.as(4), DEFAULT_TABLE_BYTES / FIELD_OVERHEAD_BYTES)) satisfies Field<HpackDecoderState['table']>;

const HPACK = new RecordLayout<HpackDecoderState>({ tableLimit: integer(1, 0, DEFAULT_TABLE_BYTES), tableMax: integer(2, 0, DEFAULT_TABLE_BYTES), updateDue: integer(3, -1, DEFAULT_TABLE_BYTES), table: HEADERS });

const SESSION = new RecordLayout<Http2SessionState>({
  nextId: integer(1, 0, MAX_ID + 1),
  lastPeerId: integer(2, 0, MAX_ID),
  settingsAcknowledged: flag(3),
  owesTableUpdate: flag(4),
  peerFirstWindow: integer(5, 0, MAX_WINDOW_BYTES),
  peerMaxFrame: integer(6, 0, 2 ** 24),
  peerMaxStreams: integer(7, 0, 2 ** 32),
  sendWindow: integer(8, -MAX_WINDOW_BYTES, MAX_WINDOW_BYTES),
  receiveWindow: integer(9, 0, MAX_WINDOW_BYTES),
  uncredited: integer(10, 0, MAX_WINDOW_BYTES),
  isDraining: flag(11),
  drainPingSent: flag(12),
  drainedAtId: integer(13, 0, MAX_ID),
  isAsked: flag(14),
  resets: list(integer(15, 1, MAX_ID), 1024),
  staged: bytes(16, MAX_READ),
  rest: bytes(17, MAX_READ),
  reader: READER.as(18),
  dataStream: integer(19, 0, MAX_ID),
  block: optional(BLOCK.as(20)),
  hpack: HPACK.as(21),
});

const STREAM = new RecordLayout<Http2StreamState>({
  id: integer(1, 1, MAX_ID),
  sendWindow: integer(2, -MAX_WINDOW_BYTES, MAX_WINDOW_BYTES),
  receiveWindow: integer(3, 0, MAX_WINDOW_BYTES),
  windowTarget: integer(4, 0, MAX_WINDOW_BYTES),
  uncredited: integer(5, 0, MAX_WINDOW_BYTES),
  localEnded: flag(6),
  remoteEnded: flag(7),
  isBulk: flag(8),
  bytesSent: integer(9, ...COUNT),
  bytesReceived: integer(10, ...COUNT),
  again: bytes(11, EAGER_BYTES),
});

const INBOUND = new RecordLayout<InboundStreamState>({ ageMs: duration(1), authority: name(2), traceId: optional(text(3, 64)), destination: ADDRESS.as(4), sourceLabels: WORKLOAD.as(5), service: optional(SERVICE.as(6)) });

const OVER_STREAM = new RecordLayout<TlsOverStreamState>({ records: RECORDS.as(1), outgoing: parts(2, MAX_UNSENT) });

const chain = (tag: number): Field<readonly Buffer[]> => list(bytes(tag, MAX_CERTIFICATE), MAX_CHAIN);

const NESTED = new RecordLayout<NestedState>({ chain: chain(1), provenAtMs: duration(2), channel: OVER_STREAM.as(3), session: SESSION.as(4), stream: STREAM.as(5), near: SOCKET.as(6), outbound: OUTBOUND.as(7) });

/** What leads to a socket, or holds a session. Who does not know the latter must not take it for a stream without anything. */
interface StreamFields {
  readonly stream: Http2StreamState;
  readonly near: PlainSocketState | undefined;
  readonly inbound: InboundStreamState | undefined;
  readonly outbound: OutboundState | undefined;
  readonly nested: NestedState | undefined;
}

const HANDED_STREAM = new RecordLayout<StreamFields>({ stream: STREAM.as(1), near: optional(SOCKET.as(2)), inbound: optional(INBOUND.as(3)), outbound: optional(OUTBOUND.as(4)), nested: optional(NESTED.as(5 | MUST_UNDERSTAND)) });

const NOTHING = { near: undefined, inbound: undefined, outbound: undefined, nested: undefined } as const;

function fieldsOf(handed: HandedStream): StreamFields {
  const { stream } = handed;
  if (handed.kind === 'nested') return { ...NOTHING, stream, nested: handed.nested };
  const { near, listener } = handed;
  return listener.kind === 'inbound' ? { ...NOTHING, stream, near, inbound: listener.state } : { ...NOTHING, stream, near, outbound: listener.state };
}

/** Undefined for what is of no kind. */
function streamOf({ stream, near, inbound, outbound, nested }: StreamFields): HandedStream | undefined {
  if (nested !== undefined) return near === undefined ? { kind: 'nested', stream, nested } : undefined;
  const listener: HandedListener | undefined = inbound !== undefined ? { kind: 'inbound', state: inbound } : outbound === undefined ? undefined : { kind: 'outbound', state: outbound };
  return near === undefined || listener === undefined ? undefined : { kind: 'plain', stream, near, listener };
}

const STREAMS = ((field) => ({
  tag: field.tag,
  write: (streams, writer, descriptors) => field.write(streams.map(fieldsOf), writer, descriptors),
  read: (spans, context) => field.read(spans, context).flatMap((fields) => {
    const handed = streamOf(fields);
    if (handed === undefined) context.fail('a stream of a kind that is unknown');
    return handed === undefined ? [] : [handed];
  }),
}))(list(HANDED_STREAM.as(3), MAX_BATCH_SOCKETS)) satisfies Field<readonly HandedStream[]>;

const TUNNEL = new RecordLayout<TunnelState>({ channel: CHANNEL.as(1), session: SESSION.as(2), streams: STREAMS });

const INBOUND_TUNNEL = new RecordLayout<InboundTunnelState>({ podUid: name(1), remote: ADDRESS.as(2), localIp: text(3, 64), chain: chain(4), provenAtMs: duration(5), tunnel: TUNNEL.as(6) });

const OUTBOUND_TUNNEL = new RecordLayout<OutboundTunnelState>({ podUid: name(1), address: ADDRESS.as(2), peer: identity(3), chain: chain(4), provenAtMs: duration(5), tunnel: TUNNEL.as(6) });

const LAYOUTS = { plaintext: [1, PLAINTEXT], outbound: [2, PLAIN_OUTBOUND], 'inbound-tunnel': [3, INBOUND_TUNNEL], 'outbound-tunnel': [4, OUTBOUND_TUNNEL], local: [5, LOCAL] } as const;
const KINDS = new Map(Object.entries(LAYOUTS).map(([kind, [tag, layout]]) => [tag as number, { kind, layout: layout as RecordLayout<object> }]));

/** A batch as it is put together, of states that do not change until it is cleared. */
export class BatchWriter {
  readonly #records = new StateWriter();
  readonly #descriptors = new DescriptorList();
  #count = 0;

  /** So far. */
  get size(): number {
    return this.#records.size;
  }

  add({ kind, state }: HandedConnection): void {
    const [tag, layout] = LAYOUTS[kind];
    this.#records.nested(tag, () => (layout as RecordLayout<typeof state>).write(state, this.#records, this.#descriptors));
    this.#count++;
  }

  /** Good until {@link clear}. */
  batch(): BatchParts & { readonly fds: readonly number[] } {
    return { ...this.#records.batch(this.#count), fds: this.#descriptors.fds };
  }

  /** Erases what it holds. */
  clear(): void {
    this.#records.clear();
  }
}

/** Reads a batch; `fds` are its sockets in this process, each of which belongs to one connection. What is queued for sockets is a view into the batch. */
export function parseHanded(content: Buffer, fds: readonly number[]): Result<readonly HandedConnection[]> {
  const records = parseBatch(content);
  if (!records.ok) return records;
  const context = new ReadContext(fds);
  const handed: HandedConnection[] = [];
  for (const { tag, content: record } of records.value) {
    const known = KINDS.get(tag);
    // A connection that is not understood would be lost.
    if (known === undefined) return err(`a record of kind ${tag}, which is unknown`);
    const state = known.layout.parse(record, context);
    if (!state.ok) return state;
    handed.push({ kind: known.kind, state: state.value } as HandedConnection);
  }
  return context.unused === 0 ? ok(handed) : err(`${context.unused} sockets of nobody`);
}
