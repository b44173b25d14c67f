/** Bytes that depend on their stream and their place: whoever reads them sees any that is lost, repeated or out of order. */

/** A prime, so that nothing that is lost in pieces of usual sizes goes unseen. */
const PERIOD = 1_048_573;
/** Twice, so that what begins before the end of a period can be taken as one piece. */
const pattern = Buffer.alloc(2 * PERIOD);
for (let at = 0, state = 1; at < pattern.length; at++) {
  if (at % PERIOD === 0) state = 1;
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  pattern[at] = state >>> 24;
}
/** Streams begin so far apart. */
const APART = 7919;

/** At most a period at once. */
export function patternAt(stream: number, from: number, size: number): Buffer {
  const at = (stream * APART + from) % PERIOD;
  return pattern.subarray(at, at + size);
}

/** Reads a stream of {@link patternAt}. */
export class PatternCheck {
  readonly #stream: number;
  size = 0;
  /** Place of the piece in which the first byte is that is not as it should be. */
  wrongAt: number | undefined;

  constructor(stream: number) {
    this.#stream = stream;
  }

  take(bytes: Buffer): void {
    if (this.wrongAt === undefined && !bytes.equals(patternAt(this.#stream, this.size, bytes.length))) this.wrongAt = this.size;
    this.size += bytes.length;
  }
}
