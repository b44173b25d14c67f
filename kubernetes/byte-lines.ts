import { err, ok, type Result } from '@landbridge/core/result.ts';

const NEWLINE = 0x0a;
/** What is kept between lines for the next one that comes in parts. */
const KEPT_BYTES = 64 * 1024;

/** Puts lines together of chunks as they come from the network. */
export class ByteLines {
  readonly #maxBytes: number;
  /** Holds the beginning of a line that has not ended: `#size` bytes of it. */
  #begun = Buffer.alloc(0);
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end with this chunk, without empty ones; an error once a line is longer than the limit, after which no more is to be pushed. */
  push(chunk: Buffer): Result<readonly string[]> {
    const lines: string[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      if (!this.#fits(end - begin)) return this.#tooLong();
      const line = this.#size === 0 ? chunk.toString('utf8', begin, end) : this.#complete(chunk.subarray(begin, end));
      if (line !== '') lines.push(line);
      begin = end + 1;
    }
    if (!this.#fits(chunk.length - begin)) return this.#tooLong();
    if (begin < chunk.length) this.#append(chunk.subarray(begin));
    return ok(lines);
  }

  #complete(rest: Buffer): string {
    this.#append(rest);
    const line = this.#begun.toString('utf8', 0, this.#size);
    this.#size = 0;
    if (this.#begun.length > KEPT_BYTES) this.#begun = Buffer.alloc(0);
    return line;
  }

  /** By doubling, so that a line which comes byte by byte costs no more than twice its length. */
  #append(part: Buffer): void {
    const size = this.#size + part.length;
    if (size > this.#begun.length) {
      const larger = Buffer.alloc(Math.min(Math.max(2 * this.#begun.length, size), this.#maxBytes));
      larger.set(this.#begun.subarray(0, this.#size));
      this.#begun = larger;
    }
    this.#begun.set(part, this.#size);
    this.#size = size;
  }

  #fits(more: number): boolean {
    return this.#size + more <= this.#maxBytes;
  }

  #tooLong(): Result<never> {
    return err(`a line of more than ${this.#maxBytes} bytes`);
  }
}
