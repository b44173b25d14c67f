import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { encodeTtrpcResponse, TtrpcCode, TtrpcReader, type TtrpcRequest, type TtrpcStatus } from '@landbridge/wire/ttrpc.ts';

/** Answers a call; the signal aborts with the connection. */
export type TtrpcHandler = (method: string, payload: Uint8Array, signal: AbortSignal) => Promise<Result<Uint8Array, TtrpcStatus>>;

/** Calls under way at once; further ones are refused. */
export const MAX_CALLS = 64;

/** The called end of a ttrpc connection with one service, whose bytes somebody else carries. */
export class TtrpcServer implements Disposable {
  readonly #service: string;
  readonly #handler: TtrpcHandler;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #reader = new TtrpcReader();
  readonly #stop = new AbortController();
  #lastStream = 0;
  #calls = 0;

  constructor(service: string, handler: TtrpcHandler, write: (bytes: Uint8Array) => void) {
    this.#service = service;
    this.#handler = handler;
    this.#write = write;
  }

  /** Takes bytes as they come. After an error the connection is of no more use. */
  push(bytes: Uint8Array): Result<undefined> {
    const read = this.#reader.push(bytes);
    if (!read.ok) return read;
    for (const message of read.value) {
      if (message.kind !== 'request') continue;
      const { stream, request } = message;
      if (stream % 2 === 0 || stream <= this.#lastStream) return err(`stream ${stream} after ${this.#lastStream}`);
      this.#lastStream = stream;
      void this.#answer(stream, request);
    }
    return ok(undefined);
  }

  async #answer(stream: number, request: TtrpcRequest): Promise<void> {
    const answer = await this.#handle(request);
    if (this.#stop.signal.aborted) return;
    const response = encodeTtrpcResponse(stream, answer.ok ? { payload: answer.value } : { status: answer.error });
    if (response.ok) this.#write(response.value);
  }

  async #handle({ service, method, payload }: TtrpcRequest): Promise<Result<Uint8Array, TtrpcStatus>> {
    if (service !== this.#service) return err({ code: TtrpcCode.UNIMPLEMENTED, message: `there is no service ${service}` });
    if (this.#calls >= MAX_CALLS) return err({ code: TtrpcCode.RESOURCE_EXHAUSTED, message: `more than ${MAX_CALLS} calls at once` });
    this.#calls++;
    try {
      return await this.#handler(method, payload, this.#stop.signal);
    } catch (thrown) {
      return err({ code: TtrpcCode.UNKNOWN, message: LandbridgeError.from(thrown).message });
    } finally {
      this.#calls--;
    }
  }

  /** The connection has ended: what is under way is given up. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
