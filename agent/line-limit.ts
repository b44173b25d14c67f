import { TokenBucket } from '@landbridge/core/token-bucket.ts';

/** Sources that are told apart; further ones share a limit. */
export const MAX_LINE_SOURCES = 4096;
const FURTHER_SOURCES = 'further';

interface Source {
  readonly bucket: TokenBucket;
  /** Lines that were not written since the last one. */
  suppressed: number;
  usedMs: number;
}

/** Bounds the log lines that each source can cause. */
export class LineLimit {
  readonly #limit: { readonly burst: number; readonly perSecond: number };
  readonly #sources = new Map<string, Source>();
  #nextSweepMs = 0;

  constructor(limit: { readonly burst: number; readonly perSecond: number }) {
    this.#limit = limit;
  }

  /** How many lines of the source were suppressed since its last line; undefined where this one is to be suppressed too. */
  take(source: string, nowMs: number): number | undefined {
    const entry = this.#entry(source, nowMs);
    entry.usedMs = nowMs;
    if (!entry.bucket.take(nowMs)) {
      entry.suppressed++;
      return undefined;
    }
    const { suppressed } = entry;
    entry.suppressed = 0;
    return suppressed;
  }

  #entry(source: string, nowMs: number): Source {
    const key = this.#sources.has(source) || this.#sources.size < MAX_LINE_SOURCES ? source : FURTHER_SOURCES;
    let entry = this.#sources.get(key);
    if (entry === undefined) this.#sources.set(key, (entry = { bucket: new TokenBucket(this.#limit, nowMs), suppressed: 0, usedMs: nowMs }));
    return entry;
  }

  /** Sources that caused no line any more since some were suppressed, which nobody would hear of otherwise. To be called about once a second. */
  *quiet(nowMs: number): Iterable<readonly [source: string, suppressed: number]> {
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + 1000;
    for (const [source, entry] of this.#sources) {
      const isFull = nowMs - entry.usedMs >= (this.#limit.burst / this.#limit.perSecond) * 1000;
      if (entry.suppressed === 0) {
        if (isFull) this.#sources.delete(source);
        continue;
      }
      if (!entry.bucket.take(nowMs)) continue;
      const { suppressed } = entry;
      entry.suppressed = 0;
      yield [source, suppressed];
    }
  }
}
