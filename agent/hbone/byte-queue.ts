import { EAGAIN, lastErrno, send } from '@landbridge/native/stream-socket.ts';
import { giveSlab, LARGE_SLAB, type Slab, SMALL_SLAB, takeSlab } from './slab.ts';

/** Bytes that wait, first in first out. How many there may be is the flow control's of who appends. */
export class ByteQueue {
  #slabs: Slab[] = [];
  size = 0;

  append(bytes: Buffer, from: number, size: number): void {
    this.size += size;
    let at = from;
    let left = size;
    while (left > 0) {
      let tail = this.#slabs.at(-1);
      if (tail === undefined || tail.end === tail.bytes.length) {
        tail = takeSlab(this.size > SMALL_SLAB ? LARGE_SLAB : left);
        this.#slabs.push(tail);
      }
      const part = Math.min(left, tail.bytes.length - tail.end);
      bytes.copy(tail.bytes, tail.end, at, at + part);
      tail.end += part;
      at += part;
      left -= part;
    }
  }

  /** Writes to a socket what it takes: true once nothing is left, false where it would block, or the errno of a failure. */
  sendTo(fd: number): true | false | number {
    while (this.#slabs.length > 0) {
      const head = this.#slabs[0] as Slab;
      const sent = send(fd, head.address + head.start, head.end - head.start, this.#slabs.length > 1);
      if (sent < 0) return lastErrno() === EAGAIN ? false : lastErrno();
      this.#take(head, sent);
    }
    return true;
  }

  /** Moves up to `size` bytes out; returns how many. */
  moveTo(target: Buffer, offset: number, size: number): number {
    let moved = 0;
    while (moved < size && this.#slabs.length > 0) {
      const head = this.#slabs[0] as Slab;
      const part = Math.min(size - moved, head.end - head.start);
      head.bytes.copy(target, offset + moved, head.start, head.start + part);
      this.#take(head, part);
      moved += part;
    }
    return moved;
  }

  /** Views of all that waits, good until it changes. */
  get parts(): readonly Buffer[] {
    return this.#slabs.map(({ bytes, start, end }) => bytes.subarray(start, end));
  }

  #take(head: Slab, size: number): void {
    head.start += size;
    this.size -= size;
    if (head.start < head.end) return;
    this.#slabs.shift();
    giveSlab(head);
  }

  clear(): void {
    for (const slab of this.#slabs) giveSlab(slab);
    this.#slabs = [];
    this.size = 0;
  }
}
