import { FRAME_HEADER_BYTES, writeFrameHeader, type FrameType } from '@landbridge/wire/http2-frames.ts';
import type { Channel } from './channel.ts';
import { giveSlab, LARGE_SLAB, type Slab, SMALL_SLAB, takeSlab } from './slab.ts';

/** The record layer writes a byte behind what it seals. */
const BEHIND = 16;
/** Most that is staged: sealed, it still fits into one slab. */
export const MAX_STAGED = 272 * 1024;
/** Of it, what application data leaves to frames that can not wait. */
const CONTROL_ROOM = 16 * 1024;
/** Less room is not worth a read. */
const LEAST_DATA = 4096;

/** Frames of one connection that are put together in a round and leave as one piece. */
export class Http2Output {
  readonly #channel: Channel;
  #slab: Slab | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get staged(): number {
    return this.#slab?.end ?? 0;
  }

  /** Makes room for a frame of this size; false where the peer takes nothing and everything is full. */
  reserve(size: number): boolean {
    if (this.room() >= size) return true;
    if (this.#slab !== undefined && !this.#channel.isBlocked) {
      this.flush();
      if (this.room() >= size) return true;
    }
    this.#grow();
    return this.room() >= size;
  }

  /** Room without growing. */
  room(): number {
    const { slab } = this;
    return Math.min(slab.bytes.length - BEHIND, MAX_STAGED) - slab.end;
  }

  /**
   * Room for application data of one frame, after its header; 0 where it has to wait. Small ones get a small slab, so
   * that many connections with a little to say cost little.
   */
  dataRoom(isBulk: boolean): number {
    if (this.#channel.isBlocked) return 0;
    if (isBulk) this.#grow();
    const room = this.#dataRoomNow();
    if (room >= LEAST_DATA) return room;
    if (!isBulk && this.slab.bytes.length < LARGE_SLAB) this.#grow();
    else this.flush();
    if (this.#channel.isBlocked) return 0;
    if (isBulk) this.#grow();
    return this.#dataRoomNow();
  }

  #dataRoomNow(): number {
    const isLarge = this.slab.bytes.length >= LARGE_SLAB;
    return this.room() - FRAME_HEADER_BYTES - (isLarge ? CONTROL_ROOM : 0);
  }

  get slab(): Slab {
    return this.#slab ??= takeSlab(SMALL_SLAB);
  }

  /** A frame whose payload lies behind the place of its header already. */
  commit(length: number, type: FrameType, flags: number, streamId: number): void {
    const slab = this.slab;
    slab.end = writeFrameHeader(slab.bytes, slab.end, length, type, flags, streamId) + length;
  }

  #grow(): void {
    const small = this.slab;
    if (small.bytes.length >= LARGE_SLAB) return;
    const large = takeSlab(LARGE_SLAB);
    small.bytes.copy(large.bytes, 0, 0, small.end);
    large.end = small.end;
    giveSlab(small);
    this.#slab = large;
  }

  flush(): void {
    const slab = this.#slab;
    if (slab === undefined || this.#channel.isBlocked) return;
    this.#slab = undefined;
    if (slab.end > 0) this.#channel.send(slab.bytes, slab.address, 0, slab.end);
    giveSlab(slab);
  }

  /** A copy of what is staged. */
  get state(): Buffer {
    return Buffer.from(this.#slab?.bytes.subarray(0, this.#slab.end) ?? []);
  }

  /** As another process had staged it: at most {@link MAX_STAGED} bytes. */
  restore(staged: Buffer): void {
    if (staged.length === 0) return;
    const slab = (this.#slab = takeSlab(LARGE_SLAB));
    slab.end = staged.copy(slab.bytes);
  }

  clear(): void {
    if (this.#slab !== undefined) giveSlab(this.#slab);
    this.#slab = undefined;
  }
}
