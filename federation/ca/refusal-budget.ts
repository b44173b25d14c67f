import { setNewest } from '@landbridge/core/newest.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';

/** 10 a minute: an agent whose token was refused and is good now is heard after 6 s at most. */
const PER_SOURCE = { burst: 20, perSecond: 10 / 60 };
/** Of sources of which nothing was refused lately: agents whose tokens ended while the API server was slow to say so, and whoever sends from many addresses. */
const OF_OTHERS = { burst: 500, perSecond: 50 };
/** Of sources of which something was refused lately, all together. */
const OF_REFUSED = { burst: 100, perSecond: 10 };
const REMEMBERED_MS = 600_000;
/** Sources that are remembered; beyond, those that came longest ago begin anew. */
const MAX_SOURCES = 10_000;

interface Source {
  readonly bucket: TokenBucket;
  refusedUntilMs: number;
}

/** What a question was taken from, if it was let through. */
export interface Taken {
  /** The API server accepted the token: such a question costs nothing, since nobody can make up a good one. */
  accepted(): void;
  /** It did not. */
  refused(nowMs: number): void;
}

/** How many questions about tokens may turn out to be about bad ones: of each source, of those that ask such questions, and in all. */
export class RefusalBudget {
  readonly #sources = new Map<string, Source>();
  readonly #others: TokenBucket;
  readonly #refused: TokenBucket;

  constructor(nowMs: number) {
    this.#others = new TokenBucket(OF_OTHERS, nowMs);
    this.#refused = new TokenBucket(OF_REFUSED, nowMs);
  }

  /** Undefined where nothing is left. What one source may not ask is not taken from the others. */
  take(address: string, nowMs: number): Taken | undefined {
    const source = this.#sources.get(address) ?? { bucket: new TokenBucket(PER_SOURCE, nowMs), refusedUntilMs: -Infinity };
    setNewest(this.#sources, address, source, MAX_SOURCES);
    const shared = source.refusedUntilMs > nowMs ? this.#refused : this.#others;
    if (!source.bucket.take(nowMs)) return undefined;
    if (!shared.take(nowMs)) {
      source.bucket.giveBack();
      return undefined;
    }
    return {
      accepted: () => {
        source.bucket.giveBack();
        shared.giveBack();
      },
      refused: (atMs) => {
        source.refusedUntilMs = atMs + REMEMBERED_MS;
      },
    };
  }
}
