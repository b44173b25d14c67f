import { type Channel, type ChannelOwner, NOTHING, OVER } from '@landbridge/agent/hbone/channel.ts';
import { Event, type EventHandler, type EventLoop } from '@landbridge/agent/hbone/event-loop.ts';
import type { Failure } from '@landbridge/agent/hbone/failure.ts';
import { nativeMemory } from '@landbridge/native/memory.ts';
import { EAGAIN, lastErrno, receive, send, shutdownWrite } from '@landbridge/native/stream-socket.ts';

const READ_BYTES = 64 * 1024;

/** HTTP/2 without TLS, for a client that knows no client certificates. The product has nothing of the kind. */
export class PlainChannel implements Channel, EventHandler {
  readonly #loop: EventLoop;
  readonly #fd: number;
  readonly inbound = nativeMemory(READ_BYTES);
  owner: ChannelOwner | undefined;
  mayReceive = false;
  failure: Failure | undefined;
  #unsent: Buffer[] = [];
  #isEnding = false;
  #isClosed = false;

  constructor(loop: EventLoop, fd: number) {
    this.#loop = loop;
    this.#fd = fd;
    loop.add(fd, 'stream', this);
  }

  get isBlocked(): boolean {
    return this.#unsent.length > 0;
  }

  onEvents(events: number): void {
    if ((events & ~Event.OUT) !== 0) this.mayReceive = true;
    this.flush();
    this.owner?.onChannel();
  }

  receive(): number {
    const count = receive(this.#fd, this.inbound.address, READ_BYTES);
    if (count > 0) return count;
    this.mayReceive = false;
    if (count === 0) return OVER;
    if (lastErrno() === EAGAIN) return NOTHING;
    this.failure ??= { reason: 'reset', text: 'the connection was reset' };
    return OVER;
  }

  send(bytes: Buffer, _address: number, from: number, size: number): void {
    this.#unsent.push(Buffer.from(bytes.subarray(from, from + size)));
    this.flush();
  }

  flush(): void {
    while (this.#unsent.length > 0) {
      const { bytes, address } = nativeMemory((this.#unsent[0] as Buffer).length);
      this.#unsent[0]?.copy(bytes);
      const sent = send(this.#fd, address, bytes.length);
      if (sent < 0) {
        if (lastErrno() !== EAGAIN) this.#unsent = [];
        return;
      }
      this.#unsent.shift();
      if (sent < bytes.length) this.#unsent.unshift(bytes.subarray(sent));
    }
    if (this.#isEnding) shutdownWrite(this.#fd);
  }

  end(): void {
    this.#isEnding = true;
    this.flush();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.mayReceive = false;
    this.owner = undefined;
    this.#loop.close(this.#fd);
  }
}
