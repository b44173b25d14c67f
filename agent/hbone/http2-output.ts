import { FRAME_HEADER_BYTES, writeFrameHeader, type FrameType } from '@landbridge/wire/http2-frames.ts';
import type { Channel } from './channel.ts';
import { giveSlab, LARGE_SLAB, type Slab, SMALL_SLAB, takeSlab } from './slab.ts';

/** The record layer writes a byte behind what it seals. */
const BEHIND = 16;
const LARGE_ROOM = LARGE_SLAB - BEHIND;

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
    this.#slab ??= takeSlab(SMALL_SLAB);
    return this.#slab.bytes.length - BEHIND - this.#slab.end;
  }

  /** Room for application data of one frame, after its header; grows once small frames do not do. 0 where it is full. */
  dataRoom(isBulk: boolean): number {
    let room = this.room() - FRAME_HEADER_BYTES;
    if (room >= 4096 && !isBulk) return room;
    if (isBulk && (this.#slab as Slab).bytes.length < LARGE_SLAB) {
      this.#grow();
      room = this.room() - FRAME_HEADER_BYTES;
    }
    if (room >= 4096) return room;
    if (this.#channel.isBlocked) return 0;
    this.flush();
    if (this.#channel.isBlocked) return 0;
    if (isBulk) this.#grow();
    return this.room() - FRAME_HEADER_BYTES;
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
    if (small.bytes.length >= LARGE_ROOM) return;
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

  clear(): void {
    if (this.#slab !== undefined) giveSlab(this.#slab);
    this.#slab = undefined;
  }
}
