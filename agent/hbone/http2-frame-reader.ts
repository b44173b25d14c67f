import type { NativeMemory } from '@landbridge/native/memory.ts';
import { CLIENT_PREFACE, ERROR_CODE, type ErrorCode, FRAME_FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, readUint31 } from '@landbridge/wire/http2-frames.ts';
import { MAX_CONTROL_BYTES, MAX_FRAME_BYTES, MAX_HEADER_LIST_BYTES } from './http2-limits.ts';

/** Takes frames as they come in. */
export interface FrameSink {
  /** Whether the connection has failed: nothing more is read. */
  readonly isOver: boolean;
  /** A DATA frame begins; its whole length counts for flow control. */
  onDataBegin(streamId: number, length: number): void;
  /** A part of its content. */
  onData(memory: NativeMemory, at: number, size: number): void;
  /** `content`: its bytes without padding. */
  onDataEnd(content: number, endStream: boolean): void;
  /** Any other frame, whole. The payload is good until the call returns. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void;
  /** A frame of a type that nobody knows, which is skipped (RFC 9113, section 4.1). */
  onUnknown(streamId: number): void;
  fail(code: ErrorCode, reason: string): void;
}

/** Where a reader has stopped; the client's preface has been read. */
export interface FrameReaderState {
  /** The beginning of a frame's header. */
  readonly header: Buffer;
  /** The frame under way. */
  readonly frame: FrameUnderWay | undefined;
}

export interface FrameUnderWay {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Of the payload. */
  readonly left: number;
  /** Of DATA; -1 until its length was read. Of any other frame 0. */
  readonly padding: number;
  /** Of any other frame: its beginning. */
  readonly collected: Buffer;
}

/** Why a state can be none of a reader's; undefined where it can. */
export function readerFault({ header, frame }: FrameReaderState): string | undefined {
  if (header.length >= FRAME_HEADER_BYTES) return 'a frame header that is whole';
  if (frame === undefined) return undefined;
  const { length, left, type, padding, collected } = frame;
  const isCollected = type <= KNOWN_TYPES && type !== FRAME_TYPE.DATA;
  return left > length || left === 0 || padding > length || (isCollected ? collected.length !== length - left || length > MAX_HEADER_LIST_BYTES : collected.length > 0) ? 'a frame under way that does not add up' : undefined;
}

const PREFACE = Buffer.from(CLIENT_PREFACE);
const EMPTY = Buffer.alloc(0);
const KNOWN_TYPES = FRAME_TYPE.CONTINUATION;

/**
 * Cuts what arrives into frames (RFC 9113, section 4). DATA passes through in the pieces in which it comes; other
 * frames are short and are put together first.
 */
export class Http2FrameReader {
  readonly #sink: FrameSink;
  /** Of the client's preface that is still to come. */
  #prefaceLeft: number;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerSize = 0;
  #isInFrame = false;
  #length = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Of the payload. */
  #left = 0;
  /** Padding of the DATA frame under way; -1 until its length was read. */
  #padding = 0;
  #collected: Buffer | undefined;
  #collectedSize = 0;
  /** Frames that may begin until the turn of the connection is over. */
  turn = Number.POSITIVE_INFINITY;

  constructor(sink: FrameSink, expectsPreface: boolean) {
    this.#sink = sink;
    this.#prefaceLeft = expectsPreface ? PREFACE.length : 0;
  }

  get state(): FrameReaderState {
    const collected = this.#collectedSize > 0 ? (this.#collected as Buffer).subarray(0, this.#collectedSize) : EMPTY;
    return {
      header: this.#header.subarray(0, this.#headerSize),
      frame: this.#isInFrame ? { length: this.#length, type: this.#type, flags: this.#flags, streamId: this.#streamId, left: this.#left, padding: this.#padding, collected } : undefined,
    };
  }

  /** Goes on where another reader stopped. */
  restore({ header, frame }: FrameReaderState): void {
    this.#prefaceLeft = 0;
    this.#headerSize = header.copy(this.#header);
    if (frame === undefined) return;
    this.#isInFrame = true;
    this.#length = frame.length;
    this.#type = frame.type;
    this.#flags = frame.flags;
    this.#streamId = frame.streamId;
    this.#left = frame.left;
    this.#padding = frame.padding;
    if (frame.collected.length === 0) return;
    this.#collected = Buffer.allocUnsafeSlow(frame.length);
    this.#collectedSize = frame.collected.copy(this.#collected);
  }

  /** Returns where it ended: before `to` where the turn, or the connection, is over. */
  read(memory: NativeMemory, from: number, to: number): number {
    const { bytes } = memory;
    let at = this.#prefaceLeft > 0 ? this.#readPreface(bytes, from, to) : from;
    while (at < to && !this.#sink.isOver) {
      if (!this.#isInFrame) {
        if (this.turn <= 0) return at;
        if (this.#headerSize === 0 && to - at >= FRAME_HEADER_BYTES) {
          this.#begin(bytes, at);
          at += FRAME_HEADER_BYTES;
        } else {
          while (this.#headerSize < FRAME_HEADER_BYTES && at < to) this.#header[this.#headerSize++] = bytes[at++] as number;
          if (this.#headerSize < FRAME_HEADER_BYTES) return at;
          this.#headerSize = 0;
          this.#begin(this.#header, 0);
        }
        continue;
      }
      const size = Math.min(this.#left, to - at);
      if (this.#type === FRAME_TYPE.DATA) this.#data(memory, at, size);
      else if (this.#type > KNOWN_TYPES) this.#left -= size;
      else this.#collect(bytes, at, size);
      at += size;
      if (this.#left === 0) this.#end();
    }
    return at;
  }

  #readPreface(bytes: Buffer, from: number, to: number): number {
    const size = Math.min(this.#prefaceLeft, to - from);
    const offset = PREFACE.length - this.#prefaceLeft;
    if (bytes.compare(PREFACE, offset, offset + size, from, from + size) !== 0) {
      this.#sink.fail(ERROR_CODE.PROTOCOL_ERROR, 'the client does not begin with the preface of HTTP/2');
      return to;
    }
    this.#prefaceLeft -= size;
    return from + size;
  }

  #begin(bytes: Buffer, at: number): void {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    this.#length = this.#left = length;
    this.#type = type;
    this.#flags = bytes[at + 4] as number;
    this.#streamId = readUint31(bytes, at + 5);
    this.#isInFrame = true;
    this.#padding = 0;
    this.turn--;
    if (length > MAX_FRAME_BYTES) return this.#sink.fail(ERROR_CODE.FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
    if (type === FRAME_TYPE.DATA) {
      const isPadded = (this.#flags & FRAME_FLAG.PADDED) !== 0;
      if (isPadded) this.#padding = -1;
      if (isPadded && length === 0) return this.#sink.fail(ERROR_CODE.FRAME_SIZE_ERROR, 'a padded frame without length of its padding');
      this.#sink.onDataBegin(this.#streamId, length);
    } else if (type <= KNOWN_TYPES) {
      const most = type === FRAME_TYPE.HEADERS || type === FRAME_TYPE.CONTINUATION ? MAX_HEADER_LIST_BYTES : MAX_CONTROL_BYTES;
      // GOAWAY may say anything at any length; what it says is not needed.
      if (length > most) return this.#sink.fail(length > MAX_FRAME_BYTES ? ERROR_CODE.FRAME_SIZE_ERROR : ERROR_CODE.ENHANCE_YOUR_CALM, `a frame of type ${type} of ${length} bytes`);
    }
    if (length === 0 && !this.#sink.isOver) this.#end();
  }

  #data(memory: NativeMemory, at: number, size: number): void {
    let from = at;
    let left = size;
    if (this.#padding < 0) {
      this.#padding = memory.bytes[from] as number;
      from++;
      left--;
      this.#left--;
      if (this.#padding > this.#left) return this.#sink.fail(ERROR_CODE.PROTOCOL_ERROR, 'more padding than frame');
    }
    const content = Math.min(left, this.#left - this.#padding);
    if (content > 0) this.#sink.onData(memory, from, content);
    this.#left -= left;
  }

  #collect(bytes: Buffer, at: number, size: number): void {
    this.#left -= size;
    if (size === this.#length) {
      this.#collected = bytes.subarray(at, at + size);
      return;
    }
    if (this.#collectedSize === 0) this.#collected = Buffer.allocUnsafeSlow(this.#length);
    bytes.copy(this.#collected as Buffer, this.#collectedSize, at, at + size);
    this.#collectedSize += size;
  }

  #end(): void {
    this.#isInFrame = false;
    if (this.#sink.isOver) return;
    if (this.#type === FRAME_TYPE.DATA) return this.#sink.onDataEnd(this.#length - ((this.#flags & FRAME_FLAG.PADDED) === 0 ? 0 : 1 + this.#padding), (this.#flags & FRAME_FLAG.END_STREAM) !== 0);
    if (this.#type > KNOWN_TYPES) return this.#sink.onUnknown(this.#streamId);
    const payload = this.#collected ?? EMPTY;
    this.#collected = undefined;
    this.#collectedSize = 0;
    this.#sink.onFrame(this.#type, this.#flags, this.#streamId, payload);
  }
}
