import { setImmediate } from 'node:timers/promises';
import type { Channel, ChannelOwner } from '@landbridge/agent/hbone/channel.ts';
import { EventLoop } from '@landbridge/agent/hbone/event-loop.ts';
import type { Failure } from '@landbridge/agent/hbone/failure.ts';
import { Http2Session } from '@landbridge/agent/hbone/http2-session.ts';
import type { Http2Stream } from '@landbridge/agent/hbone/http2-stream.ts';
import { ENDED, type Near } from '@landbridge/agent/hbone/near.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { accept, setNoDelay, socketName } from '@landbridge/native/stream-socket.ts';
import { HERE } from './engine.ts';

const BODY = Buffer.from('a few bytes, so that windows smaller than they matter');
const ROUND_MS = 5;
const BACKLOG = 128;

/** Takes whatever comes, and says a few bytes. */
class Body implements Near {
  readonly queued = 0;
  readonly hasFailed = false;
  mayPull = true;
  #at = 0;

  pull(bytes: Buffer, _address: number, offset: number, size: number): number {
    if (this.#at === BODY.length) return ENDED;
    const moved = BODY.copy(bytes, offset, this.#at, this.#at + size);
    this.#at += moved;
    return moved;
  }

  push(): boolean {
    return true;
  }

  endPush(): void {}
  close(): void {}
}

export interface LoopServerOptions {
  /** Makes the channel of an accepted connection, and calls for it once HTTP/2 may begin. */
  readonly channel: (loop: EventLoop, fd: number, begin: (channel: Channel & { owner: ChannelOwner | undefined }) => void) => void;
  readonly tableBytes?: number;
}

/** The HTTP/2 of the engine over any channel, on an event loop in this thread, with the same answer to every request. */
export class LoopServer implements AsyncDisposable {
  readonly port: number;
  readonly failures: Failure[] = [];
  readonly #options: LoopServerOptions;
  readonly #loop = new EventLoop();
  readonly #sessions = new Set<Http2Session>();
  readonly #listener: number;
  #isStopped = false;
  readonly #stopped: Promise<void>;

  constructor(options: LoopServerOptions) {
    this.#options = options;
    [this.#listener] = listenHere(HERE, 0, BACKLOG, 1) as [number];
    this.port = portOf(socketName(this.#listener, 'local') ?? Buffer.alloc(0));
    this.#loop.add(this.#listener, 'listener', { onEvents: () => this.#accept() });
    this.#stopped = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#loop.runOnce(ROUND_MS);
      await setImmediate();
    }
    for (const session of [...this.#sessions]) session.abort({ reason: 'drained', text: 'the server ends' });
    this.#loop.close(this.#listener);
    this.#loop[Symbol.dispose]();
  }

  #accept(): void {
    for (let fd = accept(this.#listener); fd >= 0; fd = accept(this.#listener)) {
      setNoDelay(fd);
      this.#options.channel(this.#loop, fd, (channel) => {
        const session = new Http2Session(this.#loop, channel, 'server', { grownWindows: 0, held: 0 }, {
          onRequest: (stream) => answer(stream),
          onClosed: (closed, failure) => {
            this.#sessions.delete(closed);
            if (failure !== undefined) this.failures.push(failure);
          },
        }, this.#options.tableBytes);
        this.#sessions.add(session);
        channel.owner = session;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#stopped;
  }
}

function answer(stream: Http2Stream): void {
  stream.join(new Body());
  stream.respond([[':status', '200']], false);
  stream.finishIfDone();
}
