/** An HTTP/2 session over a channel that a test writes and reads, for tests. */
import { nativeMemory } from '@landbridge/native/memory.ts';
import type { Result } from '@landbridge/core/result.ts';
import { encodeHeaders, type HeaderField } from '@landbridge/wire/hpack.ts';
import { CLIENT_PREFACE, ERROR_CODE, errorCodeName, FRAME_FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, type FrameType, readFrameLength, readUint31, readUint32, type Setting, writeFrameHeader, writeSettings } from '@landbridge/wire/http2-frames.ts';
import type { ConnectRequest, RequestFault, ResponseHead } from '@landbridge/wire/http2-request.ts';
import { type Channel, type ChannelOwner, NOTHING, OVER } from './channel.ts';
import { EventLoop } from './event-loop.ts';
import type { Failure } from './failure.ts';
import { Http2Session } from './http2-session.ts';
import type { Http2SessionState, Http2StreamState } from './http2-state.ts';
import type { Http2Stream, StreamEnd } from './http2-stream.ts';
import { ENDED, FAILED, type Near, NOTHING_YET } from './near.ts';

const ROOM = 2 * 1024 * 1024;
const MOST_ROUNDS = 10_000;

class ScriptedChannel implements Channel {
  readonly inbound = nativeMemory(ROOM);
  owner: ChannelOwner | undefined;
  failure: Failure | undefined;
  isBlocked = false;
  isClosed = false;
  hasEnded = false;
  isOver = false;
  readonly arrived: Buffer[] = [];
  sent = Buffer.alloc(0);

  get mayReceive(): boolean {
    return !this.isClosed && (this.arrived.length > 0 || this.isOver || this.failure !== undefined);
  }

  receive(): number {
    const next = this.arrived.shift();
    if (next === undefined) return this.isOver || this.failure !== undefined ? OVER : NOTHING;
    return next.copy(this.inbound.bytes);
  }

  send(bytes: Buffer, _address: number, from: number, size: number): void {
    this.sent = Buffer.concat([this.sent, bytes.subarray(from, from + size)]);
  }

  flush(): void {}

  end(): void {
    this.hasEnded = true;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** An application that says what it is given, and takes what it is told to take. */
export class TestNear implements Near {
  readonly said: Buffer[] = [];
  isEnded = false;
  hasFailed = false;
  /** Whether it takes at once what is pushed. */
  takes = true;
  got = Buffer.alloc(0);
  queued = 0;
  gotEnd = false;
  closed: 'reset' | 'orderly' | undefined;

  get mayPull(): boolean {
    return this.said.length > 0 || this.isEnded || this.hasFailed;
  }

  pull(bytes: Buffer, _address: number, offset: number, size: number): number {
    if (this.hasFailed) return FAILED;
    const next = this.said.shift();
    if (next === undefined) return this.isEnded ? ENDED : NOTHING_YET;
    const moved = next.copy(bytes, offset, 0, size);
    if (moved < next.length) this.said.unshift(next.subarray(moved));
    return moved;
  }

  push(bytes: Buffer, _address: number, offset: number, size: number): boolean {
    if (this.hasFailed) return false;
    this.got = Buffer.concat([this.got, bytes.subarray(offset, offset + size)]);
    if (!this.takes) this.queued += size;
    return true;
  }

  endPush(): void {
    this.gotEnd = true;
  }

  close(reset: boolean): void {
    this.closed = reset ? 'reset' : 'orderly';
  }
}

/** A frame as a peer sees it: `HEADERS 1 END_STREAM`, with its payload. */
export interface SeenFrame {
  readonly type: keyof typeof FRAME_TYPE;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const TYPES = Object.keys(FRAME_TYPE) as (keyof typeof FRAME_TYPE)[];

export function frame(type: FrameType, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}

export const { END_STREAM, END_HEADERS, ACK } = FRAME_FLAG;
/** Each block says that there is no table, which the first one has to and the others may. */
export const headers = (streamId: number, fields: readonly HeaderField[], flags: number = END_HEADERS): Buffer => frame(FRAME_TYPE.HEADERS, flags, streamId, Buffer.concat([Buffer.from([0x20]), encodeHeaders(fields)]));
export const data = (streamId: number, content: Uint8Array | string, flags = 0): Buffer => frame(FRAME_TYPE.DATA, flags, streamId, Buffer.from(content as Uint8Array));
export const reset = (streamId: number, code: number = ERROR_CODE.CANCEL): Buffer => frame(FRAME_TYPE.RST_STREAM, 0, streamId, uint32(code));
export const windowUpdate = (streamId: number, increment: number): Buffer => frame(FRAME_TYPE.WINDOW_UPDATE, 0, streamId, uint32(increment));
export const goaway = (lastId: number, code: number = ERROR_CODE.NO_ERROR): Buffer => frame(FRAME_TYPE.GOAWAY, 0, 0, uint32(lastId, code));
export const ping = (text: string, flags = 0): Buffer => frame(FRAME_TYPE.PING, flags, 0, Buffer.from(text));
export const settingsAck = frame(FRAME_TYPE.SETTINGS, ACK, 0);

export function settings(...entries: readonly (readonly [Setting, number])[]): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + entries.length * 6);
  writeSettings(bytes, 0, entries);
  return bytes;
}

export const CONNECT: readonly HeaderField[] = [[':method', 'CONNECT'], [':authority', '10.0.0.1:80']];

export class SessionBench implements Disposable {
  readonly loop = new EventLoop();
  readonly channel = new ScriptedChannel();
  readonly session: Http2Session;
  readonly budget = { grownWindows: 0, held: 0 };
  readonly requests: { readonly stream: Http2Stream; readonly request: Result<ConnectRequest, RequestFault> }[] = [];
  readonly heads: ResponseHead[] = [];
  readonly ends = new Map<number, StreamEnd>();
  closed: { readonly failure: Failure | undefined } | undefined;
  #read = 0;

  /** `from`: where another one's session has stopped. */
  constructor(role: 'client' | 'server', from?: Http2SessionState) {
    this.session = new Http2Session(this.loop, this.channel, role, this.budget, {
      onRequest: (stream, request) => {
        this.requests.push({ stream, request });
        this.listen(stream);
      },
      onClosed: (_, failure) => {
        this.closed = { failure };
      },
    }, 0, from);
    this.channel.owner = this.session;
    if (from !== undefined) return;
    this.run();
    this.#read = role === 'client' ? CLIENT_PREFACE.length : 0;
  }

  /** Goes on in another process, as it were: `carry` takes the state there. The nears come along. */
  move(carry: (session: Http2SessionState, streams: readonly Http2StreamState[]) => { readonly session: Http2SessionState; readonly streams: readonly Http2StreamState[] }): SessionBench {
    this.session.freeze();
    const nears = new Map([...this.session.streams].map(([id, { near }]) => [id, near]));
    const carried = carry(this.session.state, [...this.session.streams.values()].map(({ state }) => state));
    this.session.leave();
    const next = new SessionBench(this.session.isClient ? 'client' : 'server', carried.session);
    for (const state of carried.streams) {
      const stream = next.session.arrive(state);
      next.listen(stream);
      stream.near = nears.get(stream.id);
    }
    for (const [id, end] of this.ends) next.ends.set(id, end);
    next.channel.sent = this.channel.sent;
    next.#read = this.#read;
    next.session.goOn();
    next.run();
    return next;
  }

  /** A server whose client has said its preface and these settings. */
  static server(...entries: readonly (readonly [Setting, number])[]): SessionBench {
    const bench = new SessionBench('server');
    bench.say(Buffer.from(CLIENT_PREFACE), settings(...entries), settingsAck);
    bench.seen();
    return bench;
  }

  static client(...entries: readonly (readonly [Setting, number])[]): SessionBench {
    const bench = new SessionBench('client');
    bench.say(settings(...entries), settingsAck);
    bench.seen();
    return bench;
  }

  listen(stream: Http2Stream): void {
    stream.listener = {
      onHead: (opened, head) => {
        this.heads.push(head);
        opened.settle();
      },
      onClosed: ({ id }, end) => void this.ends.set(id, end),
    };
  }

  /** A tunnel that is open, with its application. */
  open(id = 1): { readonly stream: Http2Stream; readonly near: TestNear } {
    const near = new TestNear();
    if (this.session.isClient) {
      const stream = this.session.open(CONNECT) as Http2Stream;
      this.listen(stream);
      stream.join(near);
      this.say(headers(stream.id, [[':status', '200']]));
      this.seen();
      return { stream, near };
    }
    this.say(headers(id, CONNECT));
    const { stream } = this.requests.at(-1) as { readonly stream: Http2Stream };
    stream.join(near);
    stream.respond([[':status', '200']], false);
    this.run();
    this.seen();
    return { stream, near };
  }

  /** The application says something. */
  nearSays(opened: { readonly stream: Http2Stream; readonly near: TestNear }, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) opened.near.isEnded = true;
    else opened.near.said.push(Buffer.from(bytes));
    opened.stream.onNear();
    this.run();
  }

  /** The peer says something, in one piece. */
  say(...frames: readonly Buffer[]): void {
    this.channel.arrived.push(Buffer.concat(frames));
    this.session.onChannel();
    this.run();
  }

  /** The peer ends the connection. */
  end(): void {
    this.channel.isOver = true;
    this.session.onChannel();
    this.run();
  }

  run(): void {
    for (let i = 0; i < 8 || (this.session.isScheduled && i < MOST_ROUNDS); i++) this.loop.runOnce(0);
  }

  /** Frames since the last look. */
  seen(): SeenFrame[] {
    const { sent } = this.channel;
    const frames: SeenFrame[] = [];
    while (sent.length - this.#read >= FRAME_HEADER_BYTES) {
      const at = this.#read;
      const length = readFrameLength(sent, at);
      frames.push({ type: TYPES.find((name) => FRAME_TYPE[name] === sent[at + 3]) as SeenFrame['type'], flags: sent[at + 4] as number, streamId: readUint31(sent, at + 5), payload: Buffer.from(sent.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length)) });
      this.#read = at + FRAME_HEADER_BYTES + length;
    }
    return frames;
  }

  /** As `RST_STREAM 1 CANCEL`. */
  told(): string[] {
    return this.seen().map(({ type, streamId, payload, flags }) => {
      if (type === 'RST_STREAM') return `RST_STREAM ${streamId} ${errorCodeName(readUint32(payload, 0))}`;
      if (type === 'GOAWAY') return `GOAWAY ${readUint31(payload, 0)} ${errorCodeName(readUint32(payload, 4))}`;
      if (type === 'WINDOW_UPDATE') return `WINDOW_UPDATE ${streamId} ${readUint31(payload, 0)}`;
      if (type === 'DATA') return `DATA ${streamId} ${payload.length}${(flags & END_STREAM) === 0 ? '' : ' END'}`;
      if (type === 'HEADERS') return `HEADERS ${streamId}${(flags & END_STREAM) === 0 ? '' : ' END'}`;
      return `${type}${(flags & ACK) === 0 ? '' : ' ACK'}`;
    });
  }

  [Symbol.dispose](): void {
    this.loop[Symbol.dispose]();
  }
}
