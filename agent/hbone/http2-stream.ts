import type { ErrorCode } from '@landbridge/wire/http2-frames.ts';
import { ERROR_CODE } from '@landbridge/wire/http2-frames.ts';
import type { HeaderField } from '@landbridge/wire/hpack.ts';
import type { ResponseHead } from '@landbridge/wire/http2-request.ts';
import { type NativeMemory, nativeMemory } from '@landbridge/native/memory.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Http2Session } from './http2-session.ts';
import { EAGER_BYTES, FIRST_STREAM_WINDOW } from './http2-limits.ts';
import type { Http2StreamState } from './http2-state.ts';
import type { Near, NearOwner } from './near.ts';

/** How a stream ended. */
export type StreamEnd =
  /** Both directions came to their end. */
  | { readonly kind: 'complete' }
  /** The near side was reset. */
  | { readonly kind: 'near-failed' }
  /** Too much waited for near sides that do not read, this one among them. */
  | { readonly kind: 'near-behind' }
  /** The peer reset it. */
  | { readonly kind: 'peer-reset'; readonly code: number }
  /** The peer says that it did nothing for it: it may be tried elsewhere. */
  | { readonly kind: 'refused' }
  /** This side gave it up. */
  | { readonly kind: 'cancelled' }
  /** The connection failed below it. */
  | { readonly kind: 'connection-lost' };

export interface StreamListener {
  /** A client's stream was answered. */
  onHead?(stream: Http2Stream, head: ResponseHead): void;
  /** Once, whatever happened before. */
  onClosed(stream: Http2Stream, end: StreamEnd): void;
}

/** One CONNECT tunnel, joined to its near side. */
export class Http2Stream implements NearOwner {
  readonly session: Http2Session;
  readonly id: number;
  listener: StreamListener | undefined;
  near: Near | undefined;
  /** What the peer lets us send. */
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow = FIRST_STREAM_WINDOW;
  /** What `receiveWindow` is filled up to. */
  windowTarget = FIRST_STREAM_WINDOW;
  /** Bytes that came and that the peer was not told of. */
  uncredited = 0;
  /** Of the bytes that came those that the near side had not taken when it was last looked at. */
  held = 0;
  /** Final: the answer was sent by a server, or received by a client. */
  hasHead = false;
  localEnded = false;
  remoteEnded = false;
  isClosed = false;
  /** Waits in the session's list for room. */
  isWaiting = false;
  isBulk = false;
  bytesSent = 0;
  bytesReceived = 0;
  /** Received before there was a near side; the stream's window bounds it. */
  #early: ByteQueue | undefined;
  /** Sent before the answer: kept until it comes. */
  #eager: Buffer[] | undefined;
  /** Kept from an earlier attempt, and not sent yet. */
  #again: Buffer[] | undefined;
  #eagerBytes = 0;

  constructor(session: Http2Session, id: number, sendWindow: number) {
    this.session = session;
    this.id = id;
    this.sendWindow = sendWindow;
  }

  /** As another process had it. */
  restore(state: Http2StreamState): void {
    this.receiveWindow = state.receiveWindow;
    this.windowTarget = state.windowTarget;
    this.uncredited = state.uncredited;
    this.localEnded = state.localEnded;
    this.remoteEnded = state.remoteEnded;
    this.isBulk = state.isBulk;
    this.bytesSent = state.bytesSent;
    this.bytesReceived = state.bytesReceived;
    this.hasHead = true;
    if (state.again.length > 0) this.#again = [state.again];
  }

  /** Of a stream that was answered; its near side is told apart. */
  get state(): Http2StreamState {
    const { id, sendWindow, receiveWindow, windowTarget, uncredited, localEnded, remoteEnded, isBulk, bytesSent, bytesReceived } = this;
    return { id, sendWindow, receiveWindow, windowTarget, uncredited, localEnded, remoteEnded, isBulk, bytesSent, bytesReceived, again: Buffer.concat(this.#again ?? []) };
  }

  /** Joins the near side, which gets what has come for it so far. */
  join(near: Near): void {
    this.near = near;
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined && early.size > 0) {
      const memory = nativeMemory(early.size);
      near.push(memory.bytes, memory.address, 0, early.moveTo(memory.bytes, 0, memory.bytes.length));
      this.session.countHeld(this);
    }
    if (this.remoteEnded) near.endPush();
  }

  /** Hands received bytes to the near side, or keeps them until there is one; false where that has failed. */
  deliver(memory: NativeMemory, at: number, size: number): boolean {
    if (this.near !== undefined) return this.near.push(memory.bytes, memory.address + at, at, size);
    this.#early ??= new ByteQueue();
    this.#early.append(memory.bytes, at, size);
    return true;
  }

  /** Bytes that came and wait. */
  get queued(): number {
    return this.near?.queued ?? this.#early?.size ?? 0;
  }

  onNear(): void {
    const near = this.near;
    if (near === undefined || this.isClosed) return;
    if (near.hasFailed) return this.session.resetStream(this, ERROR_CODE.CANCEL, { kind: 'near-failed' });
    this.session.countHeld(this);
    if (near.queued === 0) this.session.credit(this);
    if (this.mayPull && !this.localEnded && !this.isWaiting) this.session.pump(this);
    this.finishIfDone();
  }

  /** How much may be pulled now: a client's first bytes leave before the answer, and only so many that they can be kept. */
  get allowance(): number {
    if (this.hasHead) return this.sendWindow;
    if (!this.session.isClient) return 0;
    return Math.min(this.sendWindow, EAGER_BYTES - this.#eagerBytes);
  }

  keepEager(bytes: Buffer, from: number, size: number): void {
    this.#eager ??= [];
    this.#eager.push(Buffer.from(bytes.subarray(from, from + size)));
    this.#eagerBytes += size;
  }

  get hasSentData(): boolean {
    return this.bytesSent > 0;
  }

  /** What was sent in vain and has to be sent elsewhere; the stream forgets it. */
  takeEager(): readonly Buffer[] {
    const eager = [...(this.#eager ?? []), ...(this.#again ?? [])];
    this.#eager = this.#again = undefined;
    return eager;
  }

  /** Bytes of an earlier attempt that go before anything of the near side. */
  sendAgain(chunks: readonly Buffer[]): void {
    this.#again = chunks.length > 0 ? [...chunks] : undefined;
  }

  /** Whether {@link pull} may bring something. */
  get mayPull(): boolean {
    return this.#again !== undefined || this.near?.mayPull === true;
  }

  /** What is to be sent next; as {@link Near.pull}. */
  pull(near: Near, bytes: Buffer, address: number, offset: number, size: number): number {
    return this.#again === undefined ? near.pull(bytes, address, offset, size) : this.#pullAgain(this.#again, bytes, offset, size);
  }

  #pullAgain(again: Buffer[], bytes: Buffer, offset: number, size: number): number {
    const chunk = again.shift() as Buffer;
    const moved = chunk.copy(bytes, offset, 0, size);
    if (moved < chunk.length) again.unshift(chunk.subarray(moved));
    else if (again.length === 0) this.#again = undefined;
    return moved;
  }

  /** The answer has come or was sent: what was kept is not needed any more, and all bytes may flow. */
  settle(): void {
    this.hasHead = true;
    this.#eager = undefined;
    if (this.mayPull && !this.localEnded) this.session.pump(this);
  }

  /** A server's answer. */
  respond(fields: readonly HeaderField[], end: boolean): void {
    this.session.respond(this, fields, end);
  }

  reset(code: ErrorCode = ERROR_CODE.CANCEL): void {
    this.session.resetStream(this, code, { kind: 'cancelled' });
  }


  finishIfDone(): void {
    if (this.localEnded && this.remoteEnded && !this.isClosed && (this.near === undefined || this.near.queued === 0)) this.session.finishStream(this, { kind: 'complete' }, false);
  }
}
