import { err, ok, type Result } from '@landbridge/core/result.ts';
import { encodeTtrpcRequest, TtrpcCode, TtrpcReader, type TtrpcStatus } from '@landbridge/wire/ttrpc.ts';

type Answer = Result<Uint8Array, TtrpcStatus>;

/** The calling end of a ttrpc connection, whose bytes somebody else carries. */
export class TtrpcClient implements Disposable {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #reader = new TtrpcReader();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  /** Streams of callers are odd and rise. */
  #nextStream = 1;
  #isClosed = false;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Resolves with whatever comes first: the answer, the end of the time, or that of the connection. */
  async call(service: string, method: string, payload: Uint8Array, timeoutMs: number): Promise<Answer> {
    if (this.#isClosed) return CLOSED;
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const request = encodeTtrpcRequest(stream, { service, method, payload, timeoutMs });
    if (!request.ok) return err({ code: TtrpcCode.RESOURCE_EXHAUSTED, message: request.error });
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(stream, resolve);
    const timer = setTimeout(() => resolve(err({ code: TtrpcCode.DEADLINE_EXCEEDED, message: `no answer to ${method} in ${timeoutMs} ms` })), timeoutMs);
    try {
      this.#write(request.value);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(stream);
    }
  }

  /** Takes bytes as they come. After an error the connection is of no more use. */
  push(bytes: Uint8Array): Result<undefined> {
    const read = this.#reader.push(bytes);
    if (!read.ok) return read;
    for (const message of read.value) {
      // An answer that nobody waits for any more came too late.
      if (message.kind === 'response') this.#waiting.get(message.stream)?.(message.status === undefined ? ok(message.payload) : err(message.status));
    }
    return ok(undefined);
  }

  /** The connection has ended. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.values()) resolve(CLOSED);
  }
}

const CLOSED: Answer = err({ code: TtrpcCode.UNAVAILABLE, message: 'the connection has ended' });
