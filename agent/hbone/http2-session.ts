/**
 * One HTTP/2 connection for CONNECT tunnels (RFC 9113). Long because the rules of a connection (which frame may come
 * in which state, and what it does to windows and streams) are one state machine, read best in one place; cutting,
 * staging, limits and streams are in files of their own.
 */
import type { NativeMemory } from '@landbridge/native/memory.ts';
import type { Result } from '@landbridge/core/result.ts';
import { DEFAULT_TABLE_BYTES, encodeHeadersInto, HpackDecoder, type HeaderField, maxEncodedLength } from '@landbridge/wire/hpack.ts';
import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_BYTES, DEFAULT_WINDOW_BYTES, ERROR_CODE, type ErrorCode, errorCodeName, FRAME_FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, type FrameType, MAX_WINDOW_BYTES, parseSettings, readUint31, readUint32, SETTING, type Setting, writeGoaway, writePing, writeRstStream, writeSettings, writeWindowUpdate } from '@landbridge/wire/http2-frames.ts';
import { type ConnectRequest, isInterim, parseConnectRequest, parseResponseHead, type RequestFault, trailersFault } from '@landbridge/wire/http2-request.ts';
import { type Channel, type ChannelOwner, NOTHING, OVER } from './channel.ts';
import type { EventLoop, Task } from './event-loop.ts';
import type { Failure, FailureReason } from './failure.ts';
import { type FrameSink, Http2FrameReader } from './http2-frame-reader.ts';
import { CONNECTION_WINDOW, CONTROL_FRAMES, FIRST_STREAM_WINDOW, FRAMES_PER_REQUEST, FRAMES_PER_TURN, GROWN_WINDOWS_BUDGET, GROWN_WINDOWS_PER_CONNECTION, HELD_PER_CONNECTION, HELD_PER_THREAD, LEAST_STREAM_WINDOW, MAX_CONTINUATIONS, MAX_FRAME_BYTES, MAX_HEADER_FIELDS, MAX_HEADER_LIST_BYTES, MAX_STREAM_WINDOW, MAX_STREAMS, RESETS, UNANSWERED_RESETS, WINDOW_UPDATES } from './http2-limits.ts';
import { Http2Output } from './http2-output.ts';
import { Http2Stream, type StreamEnd } from './http2-stream.ts';
import type { Http2SessionState, Http2StreamState } from './http2-state.ts';
import { ENDED, FAILED } from './near.ts';
import { giveSlab, type Slab, slabOf } from './slab.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';

export interface SessionListener {
  /** A server's peer asks for a tunnel; the listener joins and answers, or refuses. */
  onRequest?(stream: Http2Stream, request: Result<ConnectRequest, RequestFault>): void;
  /** The peer's SETTINGS came: it speaks HTTP/2. */
  onReady?(session: Http2Session): void;
  /** The peer takes no further streams, or there is room again. */
  onCapacity?(session: Http2Session): void;
  /** Once; undefined where it ended in order. */
  onClosed(session: Http2Session, failure: Failure | undefined): void;
}

/** What a thread's sessions share. */
export interface SessionBudget {
  /** Bytes by which stream windows have grown. */
  grownWindows: number;
  /** Bytes that came and wait for near sides. */
  held: number;
}

/** By how much a window is larger than it was at first. */
const grownBy = (window: number): number => Math.max(0, window - FIRST_STREAM_WINDOW);

/** Streams that this side reset a short time ago: their peer may not know yet. */
const REMEMBERED_RESETS = 256;
const HPACK_LIMITS = { maxTableBytes: DEFAULT_TABLE_BYTES, maxListBytes: MAX_HEADER_LIST_BYTES, maxFields: MAX_HEADER_FIELDS } as const;
/** A dynamic table size update to 0 (RFC 7541, section 6.3). */
const TABLE_SIZE_ZERO = 0x20;
const DRAIN_PING = Buffer.from('lb-drain');
const LIVE_PING = Buffer.from('lb-alive');
const LAST_ID = 2 ** 31 - 1;
const REASONS = new Map<ErrorCode, FailureReason>([
  [ERROR_CODE.FRAME_SIZE_ERROR, 'h2-frame-size'],
  [ERROR_CODE.COMPRESSION_ERROR, 'h2-compression'],
  [ERROR_CODE.FLOW_CONTROL_ERROR, 'h2-flow-control'],
  [ERROR_CODE.ENHANCE_YOUR_CALM, 'h2-flood'],
]);

export class Http2Session implements ChannelOwner, FrameSink, Task {
  readonly isClient: boolean;
  readonly channel: Channel;
  readonly #loop: EventLoop;
  readonly #listener: SessionListener;
  readonly #budget: SessionBudget;
  readonly #reader: Http2FrameReader;
  readonly #output: Http2Output;
  readonly #decoder = new HpackDecoder(HPACK_LIMITS);
  readonly #tableBytes: number;
  readonly streams = new Map<number, Http2Stream>();
  isScheduled = false;
  isOver = false;
  /** The peer's SETTINGS came. */
  isReady = false;
  /** Bytes came since the owner last looked. */
  hasHeard = false;
  /** The owner asked for a sign of life when it last looked. */
  isAsked = false;
  /** No further streams on this connection, by either side's word. */
  isDraining = false;
  #nextId = 1;
  /** The highest id of a stream that the peer opened. */
  #lastPeerId = 0;
  #settingsAcknowledged = false;
  /** The peer changed the size of its table: the next header block must begin by saying that none is used (RFC 7541, section 4.2). */
  #owesTableUpdate = false;
  /** The peer's settings. */
  #peerFirstWindow = DEFAULT_WINDOW_BYTES;
  #peerMaxFrame = DEFAULT_MAX_FRAME_BYTES;
  peerMaxStreams = 100;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #receiveWindow = CONNECTION_WINDOW;
  /** Of its streams: a part of the thread's. */
  #grownWindows = 0;
  #uncredited = 0;
  /** Came and was not taken by near sides. */
  #held = 0;
  /** Streams with something to send, in the order of their turns. */
  #waiting: Http2Stream[] = [];
  /** The stream of the DATA frame under way; undefined where its content is dropped. */
  #dataStream: Http2Stream | undefined;
  /** A header block under way (RFC 9113, section 6.10). */
  #block: { readonly streamId: number; readonly endStream: boolean; readonly fragments: Buffer[]; size: number } | undefined;
  readonly #resets: number[] = [];
  /** Read and not looked at yet. */
  #rest: Slab | undefined;
  readonly #controlFrames: TokenBucket;
  readonly #resetFrames: TokenBucket;
  readonly #unansweredResets: TokenBucket;
  readonly #windowFrames: TokenBucket;
  #drainPingSent = false;
  /** Nothing is under way any more: closed once everything staged has left. */
  #isFinishing = false;
  /** On its way to another process, or come from one and not begun. */
  isFrozen = false;

  /** `tableBytes`: of the peer's header table. Without a table there is no state of compression that a successor process would need. */
  constructor(loop: EventLoop, channel: Channel, role: 'client' | 'server', budget: SessionBudget, listener: SessionListener, tableBytes = 0, from?: Http2SessionState) {
    this.#loop = loop;
    this.#tableBytes = tableBytes;
    this.channel = channel;
    this.isClient = role === 'client';
    this.#budget = budget;
    this.#listener = listener;
    this.#reader = new Http2FrameReader(this, role === 'server');
    this.#output = new Http2Output(channel);
    this.#controlFrames = new TokenBucket(CONTROL_FRAMES, loop.nowMs);
    this.#resetFrames = new TokenBucket(RESETS, loop.nowMs);
    this.#unansweredResets = new TokenBucket(UNANSWERED_RESETS, loop.nowMs);
    this.#windowFrames = new TokenBucket(WINDOW_UPDATES, loop.nowMs);
    if (from === undefined) this.#greet();
    else this.#restore(from);
  }

  // -- From one process to the next

  /** Whether it could go on in another process. */
  get isSettled(): boolean {
    return this.isReady && !this.isOver && !this.#isFinishing && this.streams.values().every((stream) => stream.hasHead);
  }

  freeze(): void {
    this.isFrozen = true;
    // Sealed as far as it goes: less is to be carried.
    this.#output.flush();
  }

  /** Of a frozen session, which may go on still; its streams are told apart. */
  get state(): Http2SessionState {
    const [rest, block] = [this.#rest, this.#block];
    return {
      nextId: this.#nextId,
      lastPeerId: this.#lastPeerId,
      settingsAcknowledged: this.#settingsAcknowledged,
      owesTableUpdate: this.#owesTableUpdate,
      peerFirstWindow: this.#peerFirstWindow,
      peerMaxFrame: this.#peerMaxFrame,
      peerMaxStreams: this.peerMaxStreams,
      sendWindow: this.#sendWindow,
      receiveWindow: this.#receiveWindow,
      uncredited: this.#uncredited,
      isDraining: this.isDraining,
      drainPingSent: this.#drainPingSent,
      drainedAtId: this.#drainedAtId,
      isAsked: this.isAsked,
      resets: this.#resets,
      staged: this.#output.state,
      rest: Buffer.from(rest?.bytes.subarray(rest.start, rest.end) ?? []),
      reader: this.#reader.state,
      dataStream: this.#dataStream?.id ?? 0,
      block: block === undefined ? undefined : { streamId: block.streamId, endStream: block.endStream, fragments: block.fragments },
      hpack: this.#decoder.state,
    };
  }

  #restore(from: Http2SessionState): void {
    this.isFrozen = this.isReady = true;
    this.#nextId = from.nextId;
    this.#lastPeerId = from.lastPeerId;
    this.#settingsAcknowledged = from.settingsAcknowledged;
    this.#owesTableUpdate = from.owesTableUpdate;
    this.#peerFirstWindow = from.peerFirstWindow;
    this.#peerMaxFrame = from.peerMaxFrame;
    this.peerMaxStreams = from.peerMaxStreams;
    this.#sendWindow = from.sendWindow;
    this.#receiveWindow = from.receiveWindow;
    this.#uncredited = from.uncredited;
    this.isDraining = from.isDraining;
    this.#drainPingSent = from.drainPingSent;
    this.#drainedAtId = from.drainedAtId;
    this.isAsked = from.isAsked;
    // What was asked before the move is answered after it, if at all.
    this.hasHeard = true;
    this.#resets.push(...from.resets);
    this.#output.restore(from.staged);
    if (from.rest.length > 0) this.#rest = slabOf(from.rest);
    this.#reader.restore(from.reader);
    if (from.block !== undefined) this.#block = { ...from.block, fragments: [...from.block.fragments], size: from.block.fragments.reduce((sum, { length }) => sum + length, 0) };
    this.#decoder.restore(from.hpack);
    this.#arrivingData = from.dataStream;
  }

  /** Whose DATA frame was under way in the other process: the stream comes after its session. */
  #arrivingData = 0;

  /** A stream as another process had it, to be joined before {@link goOn}. */
  arrive(state: Http2StreamState): Http2Stream {
    const stream = new Http2Stream(this, state.id, state.sendWindow);
    stream.restore(state);
    this.streams.set(stream.id, stream);
    this.#countGrown(grownBy(stream.windowTarget));
    if (stream.id === this.#arrivingData) this.#dataStream = stream;
    return stream;
  }

  /** Every stream gets a turn. */
  goOn(): void {
    this.isFrozen = false;
    for (const stream of this.streams.values()) this.#wait(stream);
    this.#loop.schedule(this);
  }

  /** Another process has it, and with it all of its streams: nobody is told. */
  leave(): void {
    this.isOver = true;
    for (const stream of this.streams.values()) {
      stream.isClosed = true;
      this.#countGrown(-grownBy(stream.windowTarget));
      this.#setHeld(stream, 0);
      stream.listener = stream.near = undefined;
    }
    this.streams.clear();
    this.#output.clear();
    this.#forgetRest();
    this.#waiting = [];
  }

  #greet(): void {
    this.#output.reserve(128);
    const { slab } = this.#output;
    if (this.isClient) {
      slab.bytes.set(CLIENT_PREFACE, slab.end);
      slab.end += CLIENT_PREFACE.length;
    }
    const settings: [Setting, number][] = [
      [SETTING.HEADER_TABLE_SIZE, this.#tableBytes],
      this.isClient ? [SETTING.ENABLE_PUSH, 0] : [SETTING.MAX_CONCURRENT_STREAMS, MAX_STREAMS],
      [SETTING.INITIAL_WINDOW_SIZE, FIRST_STREAM_WINDOW],
      [SETTING.MAX_FRAME_SIZE, MAX_FRAME_BYTES],
      [SETTING.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
    ];
    slab.end = writeSettings(slab.bytes, slab.end, settings);
    slab.end = writeWindowUpdate(slab.bytes, slab.end, 0, CONNECTION_WINDOW - DEFAULT_WINDOW_BYTES);
    this.#loop.schedule(this);
  }

  // -- Turns

  onChannel(): void {
    if (this.isOver) return;
    this.channel.flush();
    this.#receive();
    if (!this.isOver && (this.#output.staged > 0 || this.#waiting.length > 0 || this.#isFinishing)) this.#loop.schedule(this);
  }

  onRoom(): void {
    this.#loop.schedule(this);
  }

  run(): void {
    if (this.isOver || this.isFrozen) return;
    this.channel.flush();
    if (this.channel.mayReceive || this.#rest !== undefined) this.#receive();
    if (this.isOver) return;
    this.#resume();
    if (this.isOver) return;
    this.#output.flush();
    if (this.#isFinishing) this.#finishDrain();
  }

  #receive(): void {
    this.#reader.turn = this.channel.mustBeTaken === true ? Number.POSITIVE_INFINITY : FRAMES_PER_TURN;
    if (this.#rest !== undefined && !this.#readRest(this.#rest)) return;
    for (let read = 0; read < 2 * this.#loop.turnBytes && this.channel.mayReceive && !this.isOver; ) {
      const size = this.channel.receive();
      if (size === NOTHING) return this.channel.mayReceive ? this.#loop.schedule(this) : undefined;
      if (size === OVER) return this.#channelOver();
      this.hasHeard = true;
      read += size;
      const at = this.#reader.read(this.channel.inbound, 0, size);
      if (at < size && !this.isOver) return this.#keepRest(at, size);
    }
    if (!this.isOver && this.channel.mayReceive) this.#loop.schedule(this);
  }

  /** The turn is over before all that was read was looked at. */
  #keepRest(from: number, to: number): void {
    const rest = slabOf(this.channel.inbound.bytes, from, to);
    this.#rest = rest;
    this.#loop.schedule(this);
  }

  /** Goes on where the last turn ended; false where this one ends, too. */
  #readRest(rest: Slab): boolean {
    rest.start = this.#reader.read(rest, rest.start, rest.end);
    if (this.isOver) return false;
    if (rest.start < rest.end) {
      this.#loop.schedule(this);
      return false;
    }
    this.#forgetRest();
    return true;
  }

  #forgetRest(): void {
    if (this.#rest !== undefined) giveSlab(this.#rest);
    this.#rest = undefined;
  }

  #channelOver(): void {
    const { failure } = this.channel;
    // A peer that has nothing under way may go as it likes.
    const isOrderly = (failure === undefined || failure.reason === 'closed') && this.streams.values().every((stream) => this.#isCarried(stream));
    this.#close(isOrderly ? undefined : (failure ?? { reason: 'closed', text: 'the peer ended the connection with streams open' }));
  }

  /** Gives each waiting stream a turn. */
  #resume(): void {
    if (this.#waiting.length === 0 || this.channel.isBlocked) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < waiting.length; i++) {
      const stream = waiting[i] as Http2Stream;
      stream.isWaiting = false;
      if (stream.isClosed) continue;
      this.pump(stream);
      stream.finishIfDone();
      if (this.isOver) return;
    }
  }

  #wait(stream: Http2Stream): void {
    if (stream.isWaiting) return;
    stream.isWaiting = true;
    this.#waiting.push(stream);
  }

  // -- Sending

  /** Moves what the near side has into DATA frames, as far as windows, room and the stream's turn go. */
  pump(stream: Http2Stream): void {
    const { near } = stream;
    if (near === undefined || stream.localEnded || this.isOver) return;
    let moved = 0;
    while (stream.mayPull) {
      const allowance = stream.allowance;
      // WINDOW_UPDATE, or the answer, comes back here.
      if (allowance <= 0) return;
      if (this.#sendWindow <= 0 || moved >= this.#loop.turnBytes) {
        this.#wait(stream);
        if (this.#sendWindow > 0) this.#loop.schedule(this);
        return;
      }
      let room = this.#output.dataRoom(stream.isBulk);
      if (room === 0) return this.#wait(stream);
      if (room > allowance) room = allowance;
      if (room > this.#sendWindow) room = this.#sendWindow;
      if (room > this.#peerMaxFrame) room = this.#peerMaxFrame;
      const { slab } = this.#output;
      const place = slab.end + FRAME_HEADER_BYTES;
      const size = stream.pull(near, slab.bytes, slab.address + place, place, room);
      if (size > 0) {
        stream.isBulk = size === room;
        moved += size;
        if (!stream.hasHead) stream.keepEager(slab.bytes, place, size);
        this.#countSent(stream, size);
        this.#output.commit(size, FRAME_TYPE.DATA, 0, stream.id);
        this.#loop.schedule(this);
      } else if (size === ENDED) {
        this.#endStream(stream);
      } else {
        stream.isBulk = false;
        if (size === FAILED) this.resetStream(stream, ERROR_CODE.CANCEL, { kind: 'near-failed' });
        return;
      }
      if (stream.localEnded) return;
    }
  }

  #countSent(stream: Http2Stream, size: number): void {
    stream.bytesSent += size;
    stream.sendWindow -= size;
    this.#sendWindow -= size;
  }

  #endStream(stream: Http2Stream): void {
    if (!this.#reserve(FRAME_HEADER_BYTES)) return;
    stream.localEnded = true;
    this.#output.commit(0, FRAME_TYPE.DATA, FRAME_FLAG.END_STREAM, stream.id);
    this.#loop.schedule(this);
  }

  /** A client's request; undefined where the connection takes no further stream. */
  open(fields: readonly HeaderField[]): Http2Stream | undefined {
    if (!this.hasRoom) return undefined;
    const stream = new Http2Stream(this, this.#nextId, this.#peerFirstWindow);
    if (!this.#sendHeaders(stream.id, fields, false)) return undefined;
    this.#nextId += 2;
    this.streams.set(stream.id, stream);
    return stream;
  }

  get hasRoom(): boolean {
    return !this.isOver && !this.isFrozen && !this.isDraining && this.streams.size < this.peerMaxStreams && this.#nextId < LAST_ID;
  }

  respond(stream: Http2Stream, fields: readonly HeaderField[], end: boolean): void {
    if (stream.isClosed || stream.hasHead || (end && !this.#mayRefuse()) || !this.#sendHeaders(stream.id, fields, end)) return;
    if (end) {
      stream.localEnded = true;
      stream.hasHead = true;
      // The peer need not send what nobody reads (RFC 9113, section 8.1).
      if (!stream.remoteEnded) this.#sendReset(stream.id, ERROR_CODE.NO_ERROR);
      this.finishStream(stream, { kind: 'cancelled' }, false);
    } else stream.settle();
  }

  /** Requests in vain cost as much as streams that are reset. */
  #mayRefuse(): boolean {
    if (this.#resetFrames.take(this.#loop.nowMs)) return true;
    this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many requests in vain');
    return false;
  }

  #sendHeaders(streamId: number, fields: readonly HeaderField[], end: boolean): boolean {
    if (!this.#reserve(FRAME_HEADER_BYTES + 1 + maxEncodedLength(fields))) return false;
    const { slab } = this.#output;
    const place = slab.end + FRAME_HEADER_BYTES;
    if (this.#owesTableUpdate) slab.bytes[place] = TABLE_SIZE_ZERO;
    const length = encodeHeadersInto(slab.bytes, place + (this.#owesTableUpdate ? 1 : 0), fields) - place;
    this.#owesTableUpdate = false;
    this.#output.commit(length, FRAME_TYPE.HEADERS, FRAME_FLAG.END_HEADERS | (end ? FRAME_FLAG.END_STREAM : 0), streamId);
    this.#loop.schedule(this);
    return true;
  }

  /** Room for a frame that can not wait; a peer that takes nothing while it makes us answer is cut. */
  #reserve(size: number): boolean {
    if (this.#output.reserve(size)) return true;
    this.#close({ reason: 'h2-flood', text: 'the peer makes us answer and reads nothing' });
    return false;
  }

  #write(write: (bytes: Buffer, at: number) => number, size: number): void {
    if (this.isOver || !this.#reserve(FRAME_HEADER_BYTES + size)) return;
    const { slab } = this.#output;
    slab.end = write(slab.bytes, slab.end);
    this.#loop.schedule(this);
  }

  #sendReset(streamId: number, code: ErrorCode): void {
    this.#write((bytes, at) => writeRstStream(bytes, at, streamId, code), 4);
    this.#resets.push(streamId);
    if (this.#resets.length > REMEMBERED_RESETS) this.#resets.shift();
  }

  ping(): void {
    this.#write((bytes, at) => writePing(bytes, at, LIVE_PING, 0), 8);
  }

  // -- Ends

  /** Aborts a stream, here and at the peer. */
  resetStream(stream: Http2Stream, code: ErrorCode, end: StreamEnd): void {
    if (stream.isClosed) return;
    this.#sendReset(stream.id, code);
    this.finishStream(stream, end, true);
  }

  /** Forgets a stream; `reset`: its near side is cut. */
  finishStream(stream: Http2Stream, end: StreamEnd, reset: boolean): void {
    if (stream.isClosed) return;
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.#countGrown(-grownBy(stream.windowTarget));
    this.#setHeld(stream, 0);
    const { near, listener } = stream;
    stream.listener = undefined;
    // A client may want to go on with the near side elsewhere: it looks at the stream's end first.
    listener?.onClosed(stream, end);
    if (stream.near === near) near?.close(reset);
    stream.near = undefined;
    if (this.isOver) return;
    if (this.isDraining && this.streams.size === 0) this.#finishDrain();
    else this.#listener.onCapacity?.(this);
  }

  /**
   * Ends in two phases (RFC 9113, section 6.8): no further streams now; those that the peer began before it knew are
   * still taken, until its answer to a PING says that it knows.
   */
  drain(): void {
    if (this.isOver || this.#drainPingSent) return;
    this.isDraining = true;
    this.#drainPingSent = true;
    this.#write((bytes, at) => writeGoaway(bytes, at, this.isClient ? 0 : LAST_ID, ERROR_CODE.NO_ERROR), 8);
    if (this.isClient) {
      if (this.streams.size === 0) this.#finishDrain();
    } else this.#write((bytes, at) => writePing(bytes, at, DRAIN_PING, 0), 8);
  }

  #drainAcknowledged(): void {
    this.#write((bytes, at) => writeGoaway(bytes, at, this.#lastPeerId, ERROR_CODE.NO_ERROR), 8);
    this.#drainedAtId = this.#lastPeerId;
    if (this.streams.size === 0) this.#finishDrain();
  }

  #drainedAtId = LAST_ID;

  #finishDrain(): void {
    // A server waits until the peer knows that it drains.
    if (!this.isClient && this.#drainPingSent && this.#drainedAtId === LAST_ID) return;
    this.#output.flush();
    this.#isFinishing = this.#output.staged > 0 || this.channel.isBlocked;
    if (!this.#isFinishing) this.#close(undefined);
  }

  /** Whether all bytes of a stream have left and arrived, so that only its near side has still to take some. */
  #isCarried({ localEnded, remoteEnded }: Http2Stream): boolean {
    return localEnded && remoteEnded && this.#output.staged === 0 && !this.channel.isBlocked;
  }

  /** A connection error (RFC 9113, section 5.4.1). */
  fail(code: ErrorCode, reason: string): void {
    if (this.isOver) return;
    this.#write((bytes, at) => writeGoaway(bytes, at, this.#lastPeerId, code), 8);
    this.#close({ reason: REASONS.get(code) ?? (this.isReady ? 'h2-protocol' : 'h2-preface'), text: reason });
  }

  /** Ends the connection from outside. */
  abort(failure: Failure): void {
    if (this.isOver) return;
    this.#write((bytes, at) => writeGoaway(bytes, at, this.#lastPeerId, ERROR_CODE.NO_ERROR), 8);
    this.#close(failure);
  }

  #close(failure: Failure | undefined): void {
    if (this.isOver) return;
    this.#output.flush();
    const lost = [...this.streams.values()].filter((stream) => !this.#isCarried(stream));
    this.isOver = true;
    this.#output.clear();
    this.#forgetRest();
    this.#waiting = [];
    this.#block = undefined;
    for (const stream of lost) this.finishStream(stream, { kind: 'connection-lost' }, true);
    this.channel.end();
    this.channel.close();
    this.#listener.onClosed(this, failure);
  }

  // -- Receiving

  onDataBegin(streamId: number, length: number): void {
    this.#dataStream = undefined;
    if (!this.#mayCome(streamId, 'DATA')) return;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) return this.fail(ERROR_CODE.FLOW_CONTROL_ERROR, 'the peer sent more than the connection window');
    this.#creditConnection(length);
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.#onClosedStream(streamId);
    if (stream.remoteEnded) return this.#streamError(stream, ERROR_CODE.STREAM_CLOSED);
    if (length > stream.receiveWindow) return this.#streamError(stream, ERROR_CODE.FLOW_CONTROL_ERROR);
    stream.receiveWindow -= length;
    // Padding is nobody's to take.
    stream.uncredited += length;
    this.#dataStream = stream;
  }

  /** An error of a stream (RFC 9113, section 5.4.2). It counts as a reset by the peer, which can end as many streams this way (CVE-2025-8671). */
  #streamError(stream: Http2Stream, code: ErrorCode): void {
    if (this.#mayReset(stream)) this.resetStream(stream, code, { kind: 'cancelled' });
  }

  /** Whether one more stream may be reset by the peer, or by its fault. */
  #mayReset(stream: Http2Stream | undefined): boolean {
    const isInVain = !this.isClient && stream?.hasHead === false;
    if (this.#resetFrames.take(this.#loop.nowMs) && (!isInVain || this.#unansweredResets.take(this.#loop.nowMs))) return true;
    this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many streams reset');
    return false;
  }

  onData(memory: NativeMemory, at: number, size: number): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.isClosed) return;
    stream.bytesReceived += size;
    if (!stream.deliver(memory, at, size)) return this.resetStream(stream, ERROR_CODE.CANCEL, { kind: 'near-failed' });
    this.countHeld(stream);
    if (this.#budget.held > HELD_PER_THREAD.most && stream.held > 0) this.resetStream(stream, ERROR_CODE.ENHANCE_YOUR_CALM, { kind: 'near-behind' });
  }

  onDataEnd(content: number, endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    // One that ends its stream may come late for each stream that was reset.
    const bucket = endStream ? this.#resetFrames : this.#controlFrames;
    if (content === 0 && (stream === undefined || !endStream) && !bucket.take(this.#loop.nowMs)) return this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many empty frames');
    if (stream === undefined || stream.isClosed) return;
    if (endStream) return this.#remoteEnd(stream);
    if (stream.near !== undefined && stream.near.queued === 0) this.credit(stream);
  }

  #remoteEnd(stream: Http2Stream): void {
    stream.remoteEnded = true;
    // Closing, which comes next where nothing is left to do, ends both directions by itself.
    if (!stream.localEnded || stream.near?.queued !== 0) stream.near?.endPush();
    stream.finishIfDone();
  }

  /** Lets the peer send what the near side has taken. */
  credit(stream: Http2Stream): void {
    if (stream.uncredited < stream.windowTarget / 2 || stream.remoteEnded || stream.isClosed) return;
    const change = this.#nextWindow(stream) - stream.windowTarget;
    this.#countGrown(grownBy(stream.windowTarget + change) - grownBy(stream.windowTarget));
    stream.windowTarget += change;
    const increment = stream.uncredited + change;
    stream.uncredited = 0;
    if (increment === 0) return;
    stream.receiveWindow += increment;
    this.#write((bytes, at) => writeWindowUpdate(bytes, at, stream.id, increment), 4);
  }

  /** Twice as large where the application keeps up and there is room in the connection and in the thread, half as large where too much waits. */
  #nextWindow({ windowTarget }: Http2Stream): number {
    if (this.#budget.held > HELD_PER_THREAD.much) return Math.max(windowTarget / 2, Math.min(windowTarget, LEAST_STREAM_WINDOW));
    const larger = Math.min(windowTarget * 2, MAX_STREAM_WINDOW);
    const growth = grownBy(larger) - grownBy(windowTarget);
    return this.#grownWindows + growth <= GROWN_WINDOWS_PER_CONNECTION && this.#budget.grownWindows + growth <= GROWN_WINDOWS_BUDGET ? larger : windowTarget;
  }

  #countGrown(change: number): void {
    this.#grownWindows += change;
    this.#budget.grownWindows += change;
  }

  /** Looks at what waits for a stream's near side: all of it is in memory. */
  countHeld(stream: Http2Stream): void {
    this.#setHeld(stream, stream.queued);
  }

  #setHeld(stream: Http2Stream, held: number): void {
    const change = held - stream.held;
    if (change === 0) return;
    stream.held = held;
    this.#held += change;
    this.#budget.held += change;
    if (change < 0 && !this.isOver) this.#creditConnection(0);
  }

  #creditConnection(length: number): void {
    this.#uncredited += length;
    if (this.#uncredited < CONNECTION_WINDOW / 4 || this.#held > HELD_PER_CONNECTION) return;
    const increment = this.#uncredited;
    this.#uncredited = 0;
    this.#receiveWindow += increment;
    this.#write((bytes, at) => writeWindowUpdate(bytes, at, 0, increment), 4);
  }

  /** Rules that hold for every frame of a stream. */
  #mayCome(streamId: number, what: string): boolean {
    if (this.#block !== undefined) this.fail(ERROR_CODE.PROTOCOL_ERROR, `${what} inside a header block`);
    else if (!this.isReady) this.fail(ERROR_CODE.PROTOCOL_ERROR, 'the peer does not begin with SETTINGS');
    else if (streamId === 0) this.fail(ERROR_CODE.PROTOCOL_ERROR, `${what} on stream 0`);
    else if (this.#isIdle(streamId)) this.fail(ERROR_CODE.PROTOCOL_ERROR, `${what} on stream ${streamId}, which was never opened`);
    return !this.isOver;
  }

  #isIdle(streamId: number): boolean {
    const isOurs = (streamId & 1) === (this.isClient ? 1 : 0);
    return isOurs ? streamId >= this.#nextId : streamId > this.#lastPeerId;
  }

  /** DATA and HEADERS for a stream that is over (RFC 9113, section 5.1). */
  #onClosedStream(streamId: number): void {
    // The peer may not know yet that it was reset.
    if (this.#resets.includes(streamId)) return;
    if (!this.#controlFrames.take(this.#loop.nowMs)) return this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many frames on closed streams');
    this.#sendReset(streamId, ERROR_CODE.STREAM_CLOSED);
  }

  onUnknown(): void {
    if (this.#block !== undefined) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'a frame inside a header block');
    if (!this.#controlFrames.take(this.#loop.nowMs)) this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many frames of unknown types');
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (!this.isReady && type !== FRAME_TYPE.SETTINGS) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'the peer does not begin with SETTINGS');
    if (this.#block !== undefined && type !== FRAME_TYPE.CONTINUATION) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'a frame inside a header block');
    switch (type as FrameType) {
      case FRAME_TYPE.HEADERS:
        return this.#onHeaders(flags, streamId, payload);
      case FRAME_TYPE.CONTINUATION:
        return this.#onContinuation(flags, streamId, payload);
      case FRAME_TYPE.RST_STREAM:
        return this.#onReset(streamId, payload);
      case FRAME_TYPE.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, payload);
      case FRAME_TYPE.PUSH_PROMISE:
        return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'PUSH_PROMISE, which was not allowed');
    }
    if (!this.#controlFrames.take(this.#loop.nowMs)) return this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many control frames');
    switch (type as FrameType) {
      case FRAME_TYPE.SETTINGS:
        return this.#onSettings(flags, streamId, payload);
      case FRAME_TYPE.PING:
        return this.#onPing(flags, streamId, payload);
      case FRAME_TYPE.GOAWAY:
        return this.#onGoaway(streamId, payload);
      case FRAME_TYPE.PRIORITY:
        return this.#onPriority(streamId, payload);
    }
  }

  #onHeaders(flags: number, streamId: number, payload: Buffer): void {
    let from = 0;
    let padding = 0;
    if ((flags & FRAME_FLAG.PADDED) !== 0) padding = payload[from++] ?? 0;
    const priorityAt = from;
    if ((flags & FRAME_FLAG.PRIORITY) !== 0) from += 5;
    if (from > payload.length) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'HEADERS shorter than its own fields');
    if (from + padding > payload.length) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'more padding than frame');
    if (streamId === 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'HEADERS on stream 0');
    if ((flags & FRAME_FLAG.PRIORITY) !== 0 && readUint31(payload, priorityAt) === streamId) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'a stream that depends on itself');
    const endStream = (flags & FRAME_FLAG.END_STREAM) !== 0;
    const fragment = payload.subarray(from, payload.length - padding);
    if ((flags & FRAME_FLAG.END_HEADERS) !== 0) return this.#onBlock(streamId, endStream, fragment);
    this.#block = { streamId, endStream, fragments: [Buffer.from(fragment)], size: fragment.length };
  }

  #onContinuation(flags: number, streamId: number, payload: Buffer): void {
    const block = this.#block;
    if (block === undefined || block.streamId !== streamId) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'CONTINUATION of nothing');
    block.fragments.push(Buffer.from(payload));
    block.size += payload.length;
    if (block.size > MAX_HEADER_LIST_BYTES || block.fragments.length > MAX_CONTINUATIONS) return this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'a header block longer than allowed');
    if ((flags & FRAME_FLAG.END_HEADERS) === 0) return;
    this.#block = undefined;
    this.#onBlock(streamId, block.endStream, Buffer.concat(block.fragments));
  }

  #onBlock(streamId: number, endStream: boolean, block: Buffer): void {
    // Decoded whatever becomes of the stream: the next block builds on it.
    const decoded = this.#decoder.decode(block);
    if (!decoded.ok && decoded.error.kind === 'malformed') return this.fail(ERROR_CODE.COMPRESSION_ERROR, decoded.error.reason);
    const stream = this.streams.get(streamId);
    if (this.isClient) return this.#onAnswer(stream, streamId, decoded.ok ? decoded.value : undefined, endStream);
    if (stream !== undefined) return this.#onTrailers(stream, decoded.ok ? decoded.value : [], endStream);
    if ((streamId & 1) === 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'a client opened an even stream');
    if (streamId <= this.#lastPeerId) return this.#resets.includes(streamId) ? undefined : this.fail(ERROR_CODE.STREAM_CLOSED, 'HEADERS on a closed stream');
    this.#lastPeerId = streamId;
    this.#reader.turn -= FRAMES_PER_REQUEST;
    // Begun after the peer knew that we end: it is to be tried elsewhere.
    if (streamId > this.#drainedAtId || this.streams.size >= MAX_STREAMS) return this.#mayRefuse() ? this.#sendReset(streamId, ERROR_CODE.REFUSED_STREAM) : undefined;
    const opened = new Http2Stream(this, streamId, this.#peerFirstWindow);
    opened.remoteEnded = endStream;
    this.streams.set(streamId, opened);
    if (!decoded.ok) return this.respond(opened, [[':status', '431']], true);
    const request = parseConnectRequest(decoded.value);
    if (!request.ok && request.error.kind === 'malformed') return this.#streamError(opened, ERROR_CODE.PROTOCOL_ERROR);
    this.#listener.onRequest?.(opened, request);
  }

  #onTrailers(stream: Http2Stream, fields: readonly HeaderField[], endStream: boolean): void {
    if (stream.remoteEnded) return this.#streamError(stream, ERROR_CODE.STREAM_CLOSED);
    if (!endStream || trailersFault(fields) !== undefined) return this.#streamError(stream, ERROR_CODE.PROTOCOL_ERROR);
    this.#remoteEnd(stream);
  }

  #onAnswer(stream: Http2Stream | undefined, streamId: number, fields: readonly HeaderField[] | undefined, endStream: boolean): void {
    if (this.#isIdle(streamId) || (streamId & 1) === 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'an answer to nothing');
    if (stream === undefined) return this.#onClosedStream(streamId);
    if (stream.hasHead) return this.#onTrailers(stream, fields ?? [], endStream);
    const head = fields === undefined ? undefined : parseResponseHead(fields);
    if (head === undefined || !head.ok) return this.#streamError(stream, ERROR_CODE.PROTOCOL_ERROR);
    if (isInterim(head.value)) return endStream ? this.#streamError(stream, ERROR_CODE.PROTOCOL_ERROR) : undefined;
    stream.listener?.onHead?.(stream, head.value);
    if (endStream && !stream.isClosed) this.#remoteEnd(stream);
  }

  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'RST_STREAM of another size than 4');
    if (!this.#mayCome(streamId, 'RST_STREAM')) return;
    const stream = this.streams.get(streamId);
    if (!this.#mayReset(stream) || stream === undefined) return;
    const code = readUint32(payload, 0);
    // A server that has answered in full only spares us the rest (RFC 9113, section 8.1).
    if (code === ERROR_CODE.NO_ERROR && stream.remoteEnded) {
      stream.localEnded = true;
      return stream.finishIfDone();
    }
    this.finishStream(stream, code === ERROR_CODE.REFUSED_STREAM ? { kind: 'refused' } : { kind: 'peer-reset', code }, true);
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of another size than 4');
    if (!this.#windowFrames.take(this.#loop.nowMs)) return this.fail(ERROR_CODE.ENHANCE_YOUR_CALM, 'too many window updates');
    const increment = readUint31(payload, 0);
    if (streamId === 0) {
      if (increment === 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'WINDOW_UPDATE of nothing');
      this.#sendWindow += increment;
      if (this.#sendWindow > MAX_WINDOW_BYTES) return this.fail(ERROR_CODE.FLOW_CONTROL_ERROR, 'a connection window beyond 2^31-1');
      if (this.#waiting.length > 0) this.#loop.schedule(this);
      return;
    }
    if (!this.#mayCome(streamId, 'WINDOW_UPDATE')) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    if (increment === 0) return this.#streamError(stream, ERROR_CODE.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return this.#streamError(stream, ERROR_CODE.FLOW_CONTROL_ERROR);
    this.#pumpLater(stream);
  }

  #pumpLater(stream: Http2Stream): void {
    if (!stream.mayPull || stream.localEnded) return;
    this.#wait(stream);
    this.#loop.schedule(this);
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'SETTINGS on a stream');
    if ((flags & FRAME_FLAG.ACK) !== 0) {
      if (payload.length !== 0) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'SETTINGS with ACK and content');
      if (!this.isReady) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'the peer does not begin with SETTINGS');
      if (!this.#settingsAcknowledged) this.#decoder.announce(this.#tableBytes);
      this.#settingsAcknowledged = true;
      return;
    }
    const parsed = parseSettings(payload, this.isClient ? 'server' : 'client');
    if (!parsed.ok) return this.fail(parsed.error.code, parsed.error.reason);
    const { initialWindowBytes, maxFrameBytes, maxConcurrentStreams, headerTableBytes } = parsed.value;
    if (headerTableBytes !== undefined) this.#owesTableUpdate = true;
    if (maxFrameBytes !== undefined) this.#peerMaxFrame = maxFrameBytes;
    // Without a word of it there is no bound (RFC 9113, section 6.5.2).
    if (maxConcurrentStreams !== undefined) this.peerMaxStreams = maxConcurrentStreams;
    if (initialWindowBytes !== undefined && !this.#resizeWindows(initialWindowBytes)) return;
    this.#write((bytes, at) => writeSettings(bytes, at, [], FRAME_FLAG.ACK), 0);
    if (this.isReady) return;
    this.isReady = true;
    this.#listener.onReady?.(this);
  }

  /** RFC 9113, section 6.9.2: windows may become negative. */
  #resizeWindows(firstWindow: number): boolean {
    const change = firstWindow - this.#peerFirstWindow;
    this.#peerFirstWindow = firstWindow;
    for (const stream of this.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) {
        this.fail(ERROR_CODE.FLOW_CONTROL_ERROR, 'a stream window beyond 2^31-1');
        return false;
      }
      if (change > 0) this.#pumpLater(stream);
    }
    return true;
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (payload.length !== 8) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'PING of another size than 8');
    if (streamId !== 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'PING on a stream');
    if ((flags & FRAME_FLAG.ACK) === 0) return this.#write((bytes, at) => writePing(bytes, at, payload, FRAME_FLAG.ACK), 8);
    if (this.#drainPingSent && !this.isClient && payload.equals(DRAIN_PING)) this.#drainAcknowledged();
  }

  #onGoaway(streamId: number, payload: Buffer): void {
    if (payload.length < 8) return this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'GOAWAY shorter than 8');
    if (streamId !== 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'GOAWAY on a stream');
    const lastId = readUint31(payload, 0);
    const code = readUint32(payload, 4);
    this.isDraining = true;
    if (this.isClient) for (const stream of [...this.streams.values()]) if (stream.id > lastId) this.finishStream(stream, { kind: 'refused' }, false);
    if (this.isOver) return;
    if (code !== ERROR_CODE.NO_ERROR) return this.#close({ reason: 'h2-goaway', text: `the peer gave up: ${errorCodeName(code)}` });
    if (this.streams.size === 0) this.#finishDrain();
    else this.#listener.onCapacity?.(this);
  }

  #onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) return this.fail(ERROR_CODE.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    const stream = this.streams.get(streamId);
    // Without an answer if the stream is unknown: the frame is allowed in every state.
    if (payload.length !== 5) return stream === undefined ? this.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'PRIORITY of another size than 5') : this.#streamError(stream, ERROR_CODE.FRAME_SIZE_ERROR);
    if (readUint31(payload, 0) !== streamId) return;
    if (stream !== undefined) this.#streamError(stream, ERROR_CODE.PROTOCOL_ERROR);
    else this.fail(ERROR_CODE.PROTOCOL_ERROR, 'a stream that depends on itself');
  }
}
